import { createHash } from 'node:crypto';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { Readable, type Transform } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { Failure } from '../../core/errors.ts';
import { corrupt } from './text-failures.ts';

/** What is known of a text file once it has been read from end to end. */
export interface ReadTextFile {
  readonly sizeBytes: number;
  /** Nanoseconds since the epoch, as a decimal string. */
  readonly mtimeNs: string;
  /** Of the file as it lies there, compressed or not. */
  readonly sha256: string;
  readonly compression: Compression;
}

export type Compression = 'none' | 'gzip' | 'zstd';

/** Is given a file's bytes, piece by piece. */
type Take = (chunk: Buffer, final: boolean) => void | Promise<void>;

/** What one file may inflate to, and how far beyond its own size once it is past `freeBytes`. */
export const INFLATE_LIMITS = { ratio: 200, freeBytes: 64 * 2 ** 20, bytes: 512 * 2 ** 30 } as const;

const CHUNK_BYTES = 2 ** 20;

/**
 * Hands out a file's bytes in order, inflated if they are gzip (also of several members) or zstd, in pieces of some 1 MiB;
 * each is valid during its call. The last call is `final` and may be empty. Nothing but the piece in hand is in memory.
 *
 * Fails with SOURCE_NOT_FOUND, SOURCE_UNREADABLE; SOURCE_CORRUPT for what is compressed and cut off, damaged, followed by
 * other bytes or inflates to more than `INFLATE_LIMITS`, for a name that promises another compression, and for bytes that
 * are UTF-16 or a known binary format; SOURCE_CHANGED when the file changes meanwhile.
 */
export async function readTextFile(path: string, take: Take, signal: AbortSignal): Promise<ReadTextFile> {
  const file = await openFile(path);
  try {
    const before = await file.stat({ bigint: true });
    const head = Buffer.alloc(8);
    const { bytesRead } = await file.read(head, 0, 8, 0);
    const compression = compressionOf(path, head.subarray(0, bytesRead));
    const hash = createHash('sha256');
    const sizeBytes = Number(before.size);
    for await (const chunk of rawChunks(file, 0, sizeBytes, signal)) {
      hash.update(chunk);
      if (compression === 'none') await take(chunk, false);
    }
    if (compression !== 'none') await inflateAll({ path, file, compression, sizeBytes, signal }, take);
    await take(Buffer.alloc(0), true);
    const after = await file.stat({ bigint: true });
    if (after.size !== before.size || after.mtimeNs !== before.mtimeNs) {
      throw new Failure('SOURCE_CHANGED', `${path} changed while it was being read.`, {
        place: { file: path },
      });
    }
    return {
      sizeBytes,
      mtimeNs: String(before.mtimeNs),
      sha256: hash.digest('hex'),
      compression,
    };
  } finally {
    await file.close();
  }
}

/** The first `bytes` of a file that is not compressed; null for one that is, or is not that long. */
export async function readTextSample(path: string, bytes: number): Promise<Buffer | null> {
  const file = await openFile(path);
  try {
    if ((await file.stat()).size < bytes) return null;
    const sample = Buffer.allocUnsafeSlow(bytes);
    const { bytesRead } = await file.read(sample, 0, bytes, 0);
    return bytesRead === bytes && compressionOf(path, sample) === 'none' ? sample : null;
  } finally {
    await file.close();
  }
}

async function openFile(path: string): Promise<FileHandle> {
  try {
    // Opening a pipe would wait for somebody to write to it.
    if ((await stat(path)).isFile()) return await open(path, 'r');
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const place = { file: path };
    if (code === 'ENOENT' || code === 'ENOTDIR')
      throw new Failure('SOURCE_NOT_FOUND', `${path} does not exist.`, { place, cause });
    throw new Failure('SOURCE_UNREADABLE', `${path} cannot be read (${code}).`, { place, cause });
  }
  throw new Failure('SOURCE_UNREADABLE', `${path} is no file.`, { place: { file: path } });
}

/** Reads the next chunk while the last one is being worked on: so two buffers take turns. */
async function* rawChunks(
  file: FileHandle,
  from: number,
  sizeBytes: number,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const length = Math.min(CHUNK_BYTES, sizeBytes - from + 1);
  const buffers = [Buffer.allocUnsafeSlow(length), Buffer.allocUnsafeSlow(length)] as const;
  let turn = 0;
  let reading = file.read(buffers[0], 0, length, from);
  let position = from;
  try {
    for (;;) {
      const { bytesRead, buffer } = await reading;
      signal.throwIfAborted();
      if (bytesRead === 0) return;
      position += bytesRead;
      turn = 1 - turn;
      reading = file.read(turn === 0 ? buffers[0] : buffers[1], 0, length, position);
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await reading.catch(() => {});
  }
}

interface Compressed {
  readonly path: string;
  readonly file: FileHandle;
  readonly compression: 'gzip' | 'zstd';
  readonly sizeBytes: number;
  readonly signal: AbortSignal;
}

/** Node inflates all members of gzip, but one frame of zstd: so frame by frame, passing over those without data. */
async function inflateAll(compressed: Compressed, take: Take): Promise<void> {
  const { path, file, compression, sizeBytes } = compressed;
  let inflated = 0;
  let position = 0;
  while (position < sizeBytes) {
    const head = Buffer.alloc(8);
    await file.read(head, 0, 8, position);
    if (compression === 'zstd' && isSkippable(head)) {
      position += 8 + head.readUInt32LE(4);
      continue;
    }
    if (position > 0 && (compression === 'gzip' || !head.subarray(0, 4).equals(ZSTD_FRAME))) break;
    position += await inflate(compressed, position, async (chunk) => {
      inflated += chunk.length;
      refuseBomb(path, inflated, sizeBytes);
      await take(chunk, false);
    });
  }
  if (position === sizeBytes) return;
  const what =
    position > sizeBytes
      ? `is not whole ${compression} data: it ends within a frame`
      : `has ${sizeBytes - position} bytes behind its ${compression} data that are something else`;
  throw corrupt(path, undefined, what, { next: 'Write the file again.' });
}

/** Inflates from a place on, up to the end of what belongs together; returns how many bytes that are. */
async function inflate(
  { path, file, compression, sizeBytes, signal }: Compressed,
  from: number,
  take: (chunk: Buffer) => Promise<void>,
): Promise<number> {
  const inflater: Transform & { readonly bytesWritten: number } =
    compression === 'gzip'
      ? createGunzip({ chunkSize: CHUNK_BYTES })
      : createZstdDecompress({ chunkSize: CHUNK_BYTES });
  // The stream holds on to what it is given.
  const raw = Readable.from(copied(rawChunks(file, from, sizeBytes, signal)), { objectMode: false });
  raw.on('error', (error) => inflater.destroy(error));
  raw.pipe(inflater);
  try {
    for await (const chunk of inflater as AsyncIterable<Buffer>) await take(chunk);
    return inflater.bytesWritten;
  } catch (error) {
    if (!isZlibError(error)) throw error;
    throw corrupt(path, undefined, `is not whole ${compression} data: ${(error as Error).message}`, {
      cause: error,
    });
  } finally {
    raw.destroy();
    inflater.destroy();
  }
}

async function* copied(raw: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  for await (const chunk of raw) yield Buffer.from(chunk);
}

const ZSTD_FRAME = Buffer.from('28b52ffd', 'hex');

function isSkippable(head: Buffer): boolean {
  return head.readUInt32LE(0) >>> 4 === 0x184d2a5;
}

function refuseBomb(path: string, inflated: number, sizeBytes: number): void {
  const { ratio, freeBytes, bytes } = INFLATE_LIMITS;
  if (inflated > bytes || (inflated > freeBytes && inflated > ratio * sizeBytes)) {
    const limit = inflated > bytes ? `${bytes / 2 ** 30} GiB` : `${ratio} times its size`;
    throw corrupt(path, undefined, `inflates to more than ${limit}`, {
      next: 'If that is meant, inflate the file yourself.',
    });
  }
}

function isZlibError(error: unknown): boolean {
  return /^(Z_|ZSTD_|ERR_ZLIB)/.test((error as NodeJS.ErrnoException).code ?? '');
}

/** By their first bytes: what is no text. */
const BINARY: readonly (readonly [magic: string, what: string, next: string])[] = [
  ['50415231', 'Parquet', 'Set input.source: parquet.'],
  ['504b0304', 'a ZIP archive (as of Excel)', 'Save it as CSV.'],
  ['d0cf11e0', 'an Excel workbook', 'Save it as CSV.'],
  ['425a68', 'compressed with bzip2', 'Inflate it, or compress it with gzip or zstd.'],
  ['fd377a585a00', 'compressed with xz', 'Inflate it, or compress it with gzip or zstd.'],
  ['fffe', 'UTF-16', 'Write it as UTF-8, as: iconv -f UTF-16 -t UTF-8'],
  ['feff', 'UTF-16', 'Write it as UTF-8, as: iconv -f UTF-16 -t UTF-8'],
];

/** The bytes decide, not the name; a name that promises otherwise is refused. */
function compressionOf(path: string, head: Buffer): Compression {
  const magic = head.toString('hex');
  if (magic.startsWith('1f8b')) return 'gzip';
  // A frame, or one that is to be skipped.
  if (magic.startsWith('28b52ffd') || /^5.2a4d18/.test(magic)) return 'zstd';
  const binary = BINARY.find(([start]) => magic.startsWith(start));
  if (binary !== undefined) throw corrupt(path, undefined, `is ${binary[1]}, not text`, { next: binary[2] });
  if (isUtf16(head)) {
    throw corrupt(path, undefined, 'is UTF-16, not UTF-8', {
      next: 'Write it as UTF-8, as: iconv -f UTF-16LE -t UTF-8',
    });
  }
  const promised = /\.(gz|zst)$/i.exec(path)?.[1]?.toLowerCase();
  if (promised !== undefined) {
    throw corrupt(path, undefined, `is named .${promised}, but is not compressed that way`, {
      next: 'Name the file as what it is, or write it again.',
    });
  }
  return 'none';
}

/** Every other byte is 0: Latin letters in UTF-16 without a byte order mark. */
function isUtf16(head: Buffer): boolean {
  if (head.length < 4) return false;
  const [a, b, c, d] = head;
  return (a === 0) !== (b === 0) && (a === 0) === (c === 0) && (b === 0) === (d === 0);
}
