import { constants } from 'node:fs';
import { type FileHandle, open, realpath, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Failure } from '../../core/errors.ts';
import type { CompanionFile } from '../runtime.ts';
import type { ExternalReference } from './external-references.ts';

/**
 * Checks the references of the model at `modelPath` and returns the files they name, each once, in order of their
 * names. Fails with MODEL_EXTERNAL_DATA.
 *
 * The names come from a stranger, so each is checked by opening what it names: checks of the string alone have been
 * passed by links before (CVE-2022-25882, CVE-2024-27318).
 *
 * A companion must be a regular file with one name (no link of any kind, nor any folder of its path a link), inside
 * the model's folder, and as long as the reference says. What is not guaranteed: that it stays so. Models are loaded
 * from a private copy, which is checked again.
 */
export async function checkCompanions(
  modelPath: string,
  references: readonly ExternalReference[],
): Promise<CompanionFile[]> {
  const needed = new Map<string, { tensor: string; bytes: number }>();
  for (const reference of references) {
    const { location, end } = readEntries(modelPath, reference);
    const before = needed.get(location);
    if (before === undefined || before.bytes < end)
      needed.set(location, { tensor: reference.tensor, bytes: end });
  }
  const companions: CompanionFile[] = [];
  for (const [name, { tensor, bytes }] of [...needed].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const sizeBytes = await checkFile(modelPath, tensor, name);
    if (sizeBytes < bytes) {
      throw refused(modelPath, tensor, `needs ${bytes} bytes of '${name}', which has ${sizeBytes}`);
    }
    companions.push({ name, sizeBytes });
  }
  return companions;
}

/** onnx.proto, TensorProto.external_data. */
const KNOWN_KEYS: ReadonlySet<string> = new Set(['location', 'offset', 'length', 'checksum']);

function readEntries(
  modelPath: string,
  { tensor, entries }: ExternalReference,
): { location: string; end: number } {
  const values = new Map<string, string>();
  for (const [key, value] of entries) {
    if (!KNOWN_KEYS.has(key)) throw refused(modelPath, tensor, `has the unknown key '${key}'`);
    if (values.has(key)) throw refused(modelPath, tensor, `has the key '${key}' twice`);
    values.set(key, value);
  }
  const location = values.get('location') ?? '';
  const plain =
    location !== '' &&
    !/[\\\0:]/.test(location) &&
    location.split('/').every((step) => step !== '' && step !== '.' && step !== '..');
  if (!plain)
    throw refused(
      modelPath,
      tensor,
      `is in '${location}', which is not a plain path below the model's folder`,
    );
  const end = readSize(modelPath, tensor, 'offset', values) + readSize(modelPath, tensor, 'length', values);
  return { location, end };
}

/** Bytes; at most 9 PB, so that sums stay exact. */
function readSize(
  modelPath: string,
  tensor: string,
  key: string,
  values: ReadonlyMap<string, string>,
): number {
  const text = values.get(key) ?? '0';
  if (!/^\d{1,15}$/.test(text)) throw refused(modelPath, tensor, `has the ${key} '${text}'`);
  return Number(text);
}

async function checkFile(modelPath: string, tensor: string, name: string): Promise<number> {
  const folder = dirname(modelPath);
  const path = join(folder, name);
  let file: FileHandle;
  try {
    // Without O_NONBLOCK a named pipe would hang us.
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why =
      code === 'ENOENT' ? 'does not exist' : code === 'ELOOP' ? 'is a link' : `cannot be opened (${code})`;
    throw refused(modelPath, tensor, `is in '${name}', which ${why}`, error);
  }
  try {
    const opened = await file.stat({ bigint: true });
    if (!opened.isFile()) throw refused(modelPath, tensor, `is in '${name}', which is not a file`);
    if (opened.nlink !== 1n) throw refused(modelPath, tensor, `is in '${name}', which is a hard link`);
    const real = await realpath(path);
    if (real !== join(await realpath(folder), name)) {
      throw refused(modelPath, tensor, `is in '${name}', which leads through a link to '${real}'`);
    }
    const named = await stat(real, { bigint: true });
    if (named.ino !== opened.ino || named.dev !== opened.dev) {
      throw refused(modelPath, tensor, `is in '${name}', which changed while it was being checked`);
    }
    return Number(opened.size);
  } finally {
    await file.close();
  }
}

function refused(modelPath: string, tensor: string, what: string, cause?: unknown): Failure {
  const subject = tensor === '' ? 'A tensor' : `Tensor '${tensor}'`;
  return new Failure('MODEL_EXTERNAL_DATA', `${subject} of ${modelPath} ${what}.`, {
    place: { file: modelPath },
    ...(cause === undefined ? {} : { cause }),
  });
}
