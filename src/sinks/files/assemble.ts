import { constants } from 'node:fs';
import { copyFile, link, mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure } from '../../core/errors.ts';
import type { StoredFile } from '../../core/lease.ts';
import { MANIFEST_FILE, type ManifestFile } from '../../core/manifest.ts';
import { syncToDisk } from '../../storage/durable.ts';
import { fileSha256 } from '../../storage/file-sha256.ts';
import { errnoOf, isAbsent } from '../../storage/fs-failure.ts';
import type { Storage } from '../../storage/storage.ts';
import type { PublishRequest } from '../sink.ts';

/** Told after each step, before the next: where tests stop or kill the process. */
export type OnStep = (step: string) => Promise<void> | void;

const REJECTS_FOLDER = '_rejects';

/**
 * Puts the whole result together in `folder`, which must not exist: parts, `_rejects/` (readers of datasets skip names
 * with an underscore), manifest. Files are linked, or copied from another file system; each is then read where it lies
 * now and compared with what the ledger says. When this returns, all of it survives a power loss.
 */
export async function assemble(
  folder: string,
  request: PublishRequest,
  storage: Storage,
  signal: AbortSignal,
  onStep: OnStep,
): Promise<void> {
  await mkdir(folder);
  if (request.rejects.length > 0) await mkdir(join(folder, REJECTS_FOLDER));
  await onStep('assembly begun');
  const files = filesOf(request);
  for (const file of files) {
    signal.throwIfAborted();
    await place(await storage.localPath(file.key), join(folder, file.path));
    await requireSame(join(folder, file.path), file, signal);
    await onStep('file placed');
  }
  await writeDurably(join(folder, MANIFEST_FILE), await request.manifest(files));
  await onStep('manifest written');
  if (request.rejects.length > 0) await syncToDisk(join(folder, REJECTS_FOLDER));
  await syncToDisk(folder);
  signal.throwIfAborted();
}

function filesOf({ jobId, parts, rejects }: PublishRequest): ManifestFile[] {
  if (parts.length === 0) throw new Error('a job without scored rows is published with one empty part');
  const numbered = (index: number) => `${jobId}-${String(index).padStart(5, '0')}.parquet`;
  const named = (file: StoredFile, kind: ManifestFile['kind'], path: string): ManifestFile => ({
    path,
    kind,
    key: file.key,
    rows: file.rows,
    sizeBytes: file.sizeBytes,
    sha256: file.sha256,
  });
  return [
    ...parts.map((file, index) => named(file, 'part', `part-${numbered(index)}`)),
    ...rejects.map((file, index) => named(file, 'rejects', `${REJECTS_FOLDER}/rejects-${numbered(index)}`)),
  ];
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
