import { createReadStream } from 'node:fs';
import { mkdir, open, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { constants, createGunzip, createZstdDecompress } from 'node:zlib';
import type { InputSpec } from '../../spec/job-spec.ts';
import { fsFailure } from '../../storage/fs-failure.ts';
import { mapParallel } from './map-parallel.ts';

export interface TextHeads {
  /** Copies, in the order of the files that they were made from. */
  readonly heads: readonly TextHead[];
  /** Of all files, looked at or not. */
  readonly files: number;
  readonly sizeBytes: number;
}

export interface TextHead {
  readonly path: string;
  readonly isWhole: boolean;
  /** Of the file's own bytes, how many the copy stands for. */
  readonly ofBytes: number;
  readonly fileBytes: number;
}

/** What is copied of all files together. */
const HEAD_BYTES = 16 * 2 ** 20;
const MOST_FILES = 200;
const LEAST_BYTES = 64 * 2 ** 10;
const PARALLEL_FILES = 4;

/**
 * Copies the beginnings of text files, inflated and cut behind a record, below `folder`, each under its own absolute path
 * there: so folders that give columns keep their names, and messages their paths once `folder` is taken away from them.
 * With more than 200 files, those evenly spread among them.
 */
export async function copyHeads(
  paths: readonly string[],
  input: InputSpec,
  folder: string,
): Promise<TextHeads> {
  const sizes = await mapParallel(paths, PARALLEL_FILES, sizeOf);
  const step = Math.max(1, paths.length / MOST_FILES);
  const chosen = Array.from({ length: Math.min(paths.length, MOST_FILES) }, (_, at) => Math.floor(at * step));
  const most = Math.max(LEAST_BYTES, Math.floor(HEAD_BYTES / Math.max(1, chosen.length)));
  const heads = await mapParallel(chosen, PARALLEL_FILES, (at) =>
    copyHead(paths[at] as string, sizes[at] as number, most, input, folder),
  );
  return { heads, files: paths.length, sizeBytes: sizes.reduce((sum, bytes) => sum + bytes, 0) };
}

async function copyHead(
  path: string,
  fileBytes: number,
  most: number,
  input: InputSpec,
  folder: string,
): Promise<TextHead> {
  const target = folder + path.replace(/\.(gz|zst)$/i, '');
  try {
    const raw = await firstBytes(path, Math.min(fileBytes, most));
    const all = await inflated(path, raw);
    const isWhole = raw.length === fileBytes;
    const cut = isWhole ? all : all.subarray(0, lastRecordEnd(all, input));
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, cut);
    const share = all.length === 0 ? 1 : cut.length / all.length;
    return { path: target, isWhole, ofBytes: Math.round(raw.length * share), fileBytes };
  } catch (error) {
    throw fsFailure(error, 'Copying the beginning of a file', path, 'SOURCE_UNREADABLE');
  }
}

/** The first bytes of a file, so many as they lie there, inflated. */
export async function textHead(path: string, bytes: number): Promise<Buffer> {
  return await inflated(path, await firstBytes(path, bytes));
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    throw fsFailure(error, 'Looking at a file', path, 'SOURCE_UNREADABLE');
  }
}

async function firstBytes(path: string, bytes: number): Promise<Buffer> {
  await using file = await open(path);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(bytes), 0, bytes, 0);
  return buffer.subarray(0, bytesRead);
}

/** Compressed data that is cut off is inflated as far as it goes, to 32 times its size at most. */
async function inflated(path: string, raw: Buffer): Promise<Buffer> {
  const isGzip = raw[0] === 0x1f && raw[1] === 0x8b;
  const isZstd = raw.length >= 4 && raw.readUInt32LE(0) === 0xfd2fb528;
  if (!isGzip && !isZstd) return raw;
  const inflater = isGzip ? createGunzip({ finishFlush: constants.Z_SYNC_FLUSH }) : createZstdDecompress();
  const chunks: Buffer[] = [];
  let bytes = 0;
  const source = createReadStream(path, { end: raw.length - 1 });
  await new Promise<void>((resolve) => {
    inflater.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes <= 32 * raw.length) return;
      source.destroy();
      inflater.destroy();
      resolve();
    });
    // What is wrong with the file is found by whoever reads all of it.
    inflater.once('error', () => resolve());
    inflater.once('end', () => resolve());
    source.once('error', () => resolve());
    source.pipe(inflater);
  });
  return Buffer.concat(chunks);
}

const LF = 10;

/**
 * Behind the last line end that is not inside quotes, as an even number of them before it tells; where quotes do not come in
 * pairs, behind the last line end.
 */
function lastRecordEnd(bytes: Buffer, { source, quote = '"' }: InputSpec): number {
  const last = bytes.lastIndexOf(LF) + 1;
  if (source !== 'csv' || quote === '') return last;
  const mark = quote.charCodeAt(0);
  let inside = false;
  let end = 0;
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at];
    if (byte === mark) inside = !inside;
    else if (byte === LF && !inside) end = at + 1;
  }
  return end === 0 ? last : end;
}
