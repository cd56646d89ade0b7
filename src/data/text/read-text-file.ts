import { createHash, type Hash } from 'node:crypto';
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
export async function readTextFile(
  path: string,
  take: (chunk: Buffer, final: boolean) => void | Promise<void>,
  signal: AbortSignal,
): Promise<ReadTextFile> {
  const file = await openFile(path);
  try {
    const before = await file.stat({ bigint: true });
    const head = Buffer.alloc(8);
    const { bytesRead } = await file.read(head, 0, 8, 0);
    const compression = compressionOf(path, head.subarray(0, bytesRead));
    const hash = createHash('sha256');
    const raw = rawChunks(file, hash, signal, Math.min(CHUNK_BYTES, Number(before.size) + 1));
    if (compression === 'none') for await (const chunk of raw) await take(chunk, false);
    else await inflate(path, compression, raw, Number(before.size), take);
    await take(Buffer.alloc(0), true);
    const after = await file.stat({ bigint: true });
    if (after.size !== before.size || after.mtimeNs !== before.mtimeNs) {
      throw new Failure('SOURCE_CHANGED', `${path} changed while it was being read.`, {
        place: { file: path },
      });
    }
    return {
      sizeBytes: Number(before.size),
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
  hash: Hash,
  signal: AbortSignal,
  size: number,
): AsyncGenerator<Buffer> {
  const buffers = [Buffer.allocUnsafeSlow(size), Buffer.allocUnsafeSlow(size)] as const;
  let turn = 0;
  let reading = file.read(buffers[0], 0, size, 0);
  let position = 0;
  try {
    for (;;) {
      const { bytesRead, buffer } = await reading;
      signal.throwIfAborted();
      if (bytesRead === 0) return;
      position += bytesRead;
      turn = 1 - turn;
      reading = file.read(turn === 0 ? buffers[0] : buffers[1], 0, size, position);
      const chunk = buffer.subarray(0, bytesRead);
      hash.update(chunk);
      yield chunk;
    }
  } finally {
    await reading.catch(() => {});
  }
}

async function inflate(
  path: string,
  compression: 'gzip' | 'zstd',
  raw: AsyncGenerator<Buffer>,
  sizeBytes: number,
  take: (chunk: Buffer, final: boolean) => void | Promise<void>,
): Promise<void> {
  const inflater: Transform & { readonly bytesWritten: number } =
    compression === 'gzip'
      ? createGunzip({ chunkSize: CHUNK_BYTES })
      : createZstdDecompress({ chunkSize: CHUNK_BYTES });
  // The stream may hold on to what it is given.
  const copies = Readable.from(copied(raw), { objectMode: false, highWaterMark: CHUNK_BYTES });
  copies.on('error', (error) => inflater.destroy(error));
  copies.pipe(inflater);
  let inflated = 0;
  try {
    for await (const chunk of inflater as AsyncIterable<Buffer>) {
      inflated += chunk.length;
      refuseBomb(path, inflated, sizeBytes);
      await take(chunk, false);
    }
  } catch (error) {
    if (!isZlibError(error)) throw error;
    throw corrupt(path, undefined, `is not whole ${compression} data: ${(error as Error).message}`, {
      cause: error,
    });
  } finally {
    copies.destroy();
    inflater.destroy();
  }
  if (inflater.bytesWritten !== sizeBytes) {
    throw corrupt(
      path,
      undefined,
      `has ${sizeBytes - inflater.bytesWritten} bytes behind its ${compression} data that are something else`,
      { next: 'Write the file again.' },
    );
  }
}

async function* copied(raw: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  for await (const chunk of raw) yield Buffer.from(chunk);
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
  const code = (error as NodeJS.ErrnoException).code ?? '';
  return (
    /^(Z_|ERR_ZLIB|ZSTD_|ERR_ZSTD|ERR_STREAM_PREMATURE)/.test(code) ||
    ((error as NodeJS.ErrnoException).errno !== undefined &&
      /zlib|zstd|unexpected end of file|incorrect/i.test(String(error)))
  );
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
  if (
    head.length >= 4 &&
    (magic.startsWith('00', 2) || magic.startsWith('00')) &&
    !magic.startsWith('0000', 0) &&
    (head[0] === 0) !== (head[1] === 0) &&
    (head[2] === 0) !== (head[3] === 0)
  ) {
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
