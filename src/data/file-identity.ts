import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { Failure } from '../core/errors.ts';
import type { FileIdentity } from '../core/snapshot.ts';

const TAIL_BYTES = 8;
const MAGIC = 'PAR1';

/**
 * What a Parquet file is recognised by: size, modification time and the SHA-256 of its footer (which names every column
 * chunk with its place, size and statistics).
 *
 * Fails with SOURCE_NOT_FOUND, SOURCE_UNREADABLE, SOURCE_CORRUPT (no whole footer).
 */
export async function fileIdentity(path: string): Promise<FileIdentity> {
  const file = await openForReading(path);
  try {
    const { size, mtimeNs } = await file.stat({ bigint: true });
    const sizeBytes = Number(size);
    return { sizeBytes, mtimeNs: String(mtimeNs), footerSha256: await footerSha256(file, path, sizeBytes) };
  } finally {
    await file.close();
  }
}

/** Fails with SOURCE_CHANGED, saying what differs, unless the file is the one that was pinned. */
export async function checkFileUnchanged(path: string, pinned: FileIdentity): Promise<void> {
  let found: FileIdentity;
  try {
    found = await fileIdentity(path);
  } catch (error) {
    if (!(error instanceof Failure) || error.code === 'SOURCE_UNREADABLE') throw error;
    throw new Failure(
      'SOURCE_CHANGED',
      `${path} was pinned by this job and is gone or damaged now: ${error.message}`,
      {
        place: { file: path },
        cause: error,
      },
    );
  }
  const difference = describeDifference(pinned, found);
  if (difference === null) return;
  throw new Failure('SOURCE_CHANGED', `${path} changed since the job pinned it: ${difference}.`, {
    place: { file: path },
  });
}

function describeDifference(pinned: FileIdentity, found: FileIdentity): string | null {
  if (pinned.sizeBytes !== found.sizeBytes)
    return `it had ${pinned.sizeBytes} bytes and has ${found.sizeBytes}`;
  if (pinned.footerSha256 !== found.footerSha256) return 'its footer is another one';
  if (pinned.mtimeNs !== found.mtimeNs) return 'it was written again (another modification time)';
  return null;
}

async function openForReading(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') {
      throw new Failure('SOURCE_NOT_FOUND', `${path} does not exist.`, {
        place: { file: path },
        cause: error,
      });
    }
    throw new Failure('SOURCE_UNREADABLE', `${path} cannot be read (${code}).`, {
      place: { file: path },
      cause: error,
    });
  }
}

/** A Parquet file ends with: footer, its length as 4 bytes little-endian, "PAR1". */
async function footerSha256(file: FileHandle, path: string, sizeBytes: number): Promise<string> {
  const tail = Buffer.alloc(TAIL_BYTES);
  if (sizeBytes < MAGIC.length + TAIL_BYTES) throw corrupt(path, `it has only ${sizeBytes} bytes`);
  await file.read(tail, 0, TAIL_BYTES, sizeBytes - TAIL_BYTES);
  if (tail.toString('latin1', 4) !== MAGIC)
    throw corrupt(path, 'it does not end with the mark of a Parquet file, as if cut off');
  const footerBytes = tail.readUInt32LE(0);
  if (footerBytes > sizeBytes - MAGIC.length - TAIL_BYTES)
    throw corrupt(path, 'its footer claims to be longer than the file');
  const hash = createHash('sha256');
  const chunk = Buffer.alloc(Math.min(footerBytes, 1 << 20));
  let position = sizeBytes - TAIL_BYTES - footerBytes;
  while (position < sizeBytes - TAIL_BYTES) {
    const wanted = Math.min(chunk.length, sizeBytes - TAIL_BYTES - position);
    const { bytesRead } = await file.read(chunk, 0, wanted, position);
    if (bytesRead === 0) throw corrupt(path, 'it became shorter while it was read');
    hash.update(chunk.subarray(0, bytesRead));
    position += bytesRead;
  }
  return hash.digest('hex');
}

function corrupt(path: string, why: string): Failure {
  return new Failure('SOURCE_CORRUPT', `${path} is not a complete Parquet file: ${why}.`, {
    place: { file: path },
  });
}
