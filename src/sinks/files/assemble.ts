import { constants } from 'node:fs';
import { copyFile, link, mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure } from '../../core/errors.ts';
import type { StoredFile } from '../../core/lease.ts';
import { MANIFEST_FILE, type ManifestFile } from '../../core/manifest.ts';
import { whyNotCarried } from '../../data/text-carries.ts';
import { syncToDisk } from '../../storage/durable.ts';
import { fileSha256 } from '../../storage/file-sha256.ts';
import { errnoOf, isAbsent } from '../../storage/fs-failure.ts';
import type { Storage } from '../../storage/storage.ts';
import type { PublishRequest, SinkContext } from '../sink.ts';
import { PARQUET, type PublishedFormat, publishedFormat } from './published-format.ts';

/** Told after each step, before the next: where tests stop or kill the process. */
export type OnStep = (step: string) => Promise<void> | void;

const REJECTS_FOLDER = '_rejects';

/**
 * Puts the whole result together in `folder`, which must not exist: parts, `_rejects/` (readers of datasets skip names
 * with an underscore), manifest. Parquet files are linked, or copied from another file system; each is then read where it lies
 * now and compared with what the ledger says. For another format, each accepted file is compared first, and what is made
 * of it is staged, read back, and then placed like a part. When this returns, all of it survives a power loss.
 */
export async function assemble(
  folder: string,
  request: PublishRequest,
  storage: Storage,
  { engine, signal }: SinkContext,
  onStep: OnStep,
): Promise<void> {
  await mkdir(folder);
  if (request.rejects.length > 0) await mkdir(join(folder, REJECTS_FOLDER));
  await onStep('assembly begun');
  const staging = `${request.staging}/${request.fence}`;
  // Of a publish under the same fence that was stopped.
  await storage.remove(staging);
  const files: ManifestFile[] = [];
  for (const { file, format } of await filesOf(request, storage, { engine, signal })) {
    signal.throwIfAborted();
    const local = await storage.localPath(file.key);
    if (format.text === null) {
      await place(local, join(folder, file.path));
      await requireSame(join(folder, file.path), file, signal);
      files.push(file);
    } else {
      await requireSame(local, file, signal);
      const staged = await storage.stage(`${staging}/${file.path}`);
      try {
        await engine.writeText({ from: local, to: staged.path, format: format.text, rows: file.rows });
      } catch (error) {
        await staged.discard();
        throw error;
      }
      const made = { ...file, ...(await staged.seal()) };
      await onStep('text staged');
      await place(await storage.localPath(`${staging}/${file.path}`), join(folder, file.path));
      await requireSame(join(folder, file.path), made, signal);
      files.push(made);
    }
    await onStep('file placed');
  }
  await storage.remove(staging);
  await writeDurably(join(folder, MANIFEST_FILE), await request.manifest(files));
  await onStep('manifest written');
  if (request.rejects.length > 0) await syncToDisk(join(folder, REJECTS_FOLDER));
  await syncToDisk(folder);
  signal.throwIfAborted();
}

interface PlannedFile {
  /** As it was accepted, with the name it is to have. */
  readonly file: ManifestFile;
  readonly format: PublishedFormat;
}

/** Every part has the format of the destination. */
async function filesOf(
  { jobId, spec, parts, rejects }: PublishRequest,
  storage: Storage,
  context: SinkContext,
): Promise<PlannedFile[]> {
  if (parts.length === 0) throw new Error('a job without scored rows is published with one empty part');
  const wanted = publishedFormat(spec.output);
  const planned = (
    stored: StoredFile,
    index: number,
    kind: ManifestFile['kind'],
    format: PublishedFormat,
  ) => {
    const name = `${jobId}-${String(index).padStart(5, '0')}${format.extension}`;
    const path = kind === 'part' ? `part-${name}` : `${REJECTS_FOLDER}/rejects-${name}`;
    const { key, rows, sizeBytes, sha256 } = stored;
    return { file: { path, kind, key, rows, sizeBytes, sha256 }, format };
  };
  const forRejects = await rejectsFormat(wanted, rejects, storage, context);
  return [
    ...parts.map((stored, index) => planned(stored, index, 'part', wanted)),
    ...rejects.map((stored, index) => planned(stored, index, 'rejects', forRejects)),
  ];
}

/**
 * Rejects hold all columns of the input, also those that are not published. They have the format of the output, for
 * whoever repairs them, unless it cannot carry one of these columns: then all of them stay Parquet.
 */
async function rejectsFormat(
  wanted: PublishedFormat,
  [first]: readonly StoredFile[],
  storage: Storage,
  { engine, signal }: SinkContext,
): Promise<PublishedFormat> {
  const { text } = wanted;
  if (text === null || first === undefined) return wanted;
  const [described] = await engine.describe([await storage.localPath(first.key)], signal);
  const isCarried = described?.columns.every(({ type }) => whyNotCarried(text.kind, type) === null);
  return isCarried === true ? wanted : PARQUET;
}

/** File systems without hard links, or a staging area on another one. */
const NO_LINK = new Set(['EXDEV', 'EPERM', 'EMLINK', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS']);

async function place(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    if (isAbsent(error)) throw corrupt(from, 'it is gone');
    if (!NO_LINK.has(errnoOf(error) ?? '')) throw error;
    await copyFile(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    await syncToDisk(to);
  }
}

async function requireSame(path: string, expected: ManifestFile, signal: AbortSignal): Promise<void> {
  const file = await open(path, 'r');
  try {
    const found = await fileSha256(file, signal);
    if (found.sizeBytes !== expected.sizeBytes) {
      throw corrupt(expected.key, `it has ${found.sizeBytes} bytes instead of ${expected.sizeBytes}`);
    }
    if (found.sha256 !== expected.sha256) throw corrupt(expected.key, 'its bytes are others (SHA-256)');
  } finally {
    await file.close();
  }
}

function corrupt(file: string, how: string): Failure {
  return new Failure('PART_CORRUPT', `The staged file ${file} is not the one that was accepted: ${how}.`, {
    place: { file },
  });
}

async function writeDurably(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, 'wx');
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}
