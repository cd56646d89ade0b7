import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { afterAll, describe, expect, test } from 'vitest';
import { INFLATE_LIMITS, readTextFile } from './read-text-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'read-text-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const TEXT = Buffer.from(Array.from({ length: 300_000 }, (_, at) => `${at},${at * at}\n`).join(''));

async function read(name: string, content: Buffer, signal = new AbortController().signal) {
  const path = join(folder, name);
  writeFileSync(path, content);
  const hash = createHash('sha256');
  let bytes = 0;
  let peak = 0;
  let finals = 0;
  const file = await readTextFile(
    path,
    (chunk, final) => {
      hash.update(chunk);
      bytes += chunk.length;
      peak = Math.max(peak, chunk.length);
      if (final) finals += 1;
    },
    signal,
  );
  expect(finals).toBe(1);
  return { file, bytes, peak, sha256: hash.digest('hex') };
}

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

/** A zstd frame that holds no data, and has to be skipped: pzstd writes them. */
const SKIPPABLE = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4]);
const halves = [TEXT.subarray(0, 1_000_001), TEXT.subarray(1_000_001)] as const;

describe('what is compressed is read whole, in pieces', () => {
  test.each<[name: string, content: Buffer, compression: string]>([
    ['plain.csv', TEXT, 'none'],
    ['empty.csv', Buffer.alloc(0), 'none'],
    ['one.csv.gz', gzipSync(TEXT), 'gzip'],
    ['members.csv.gz', Buffer.concat(halves.map((half) => gzipSync(half))), 'gzip'],
    [
      'empty-member.csv.gz',
      Buffer.concat([gzipSync(Buffer.alloc(0)), gzipSync(TEXT), gzipSync(Buffer.alloc(0))]),
      'gzip',
    ],
    ['wrong-name.csv', gzipSync(TEXT), 'gzip'],
    ['other-name.csv.gz', zstdCompressSync(TEXT), 'zstd'],
    ['one.csv.zst', zstdCompressSync(TEXT), 'zstd'],
    ['frames.csv.zst', Buffer.concat(halves.map((half) => zstdCompressSync(half))), 'zstd'],
    ['skippable.csv.zst', Buffer.concat([SKIPPABLE, zstdCompressSync(TEXT), SKIPPABLE]), 'zstd'],
  ])('%s', async (name, content, compression) => {
    const result = await read(name, content);
    const expected = name.startsWith('empty.') ? Buffer.alloc(0) : TEXT;
    expect(result.sha256).toBe(sha256(expected));
    expect(result.file).toMatchObject({ compression, sha256: sha256(content), sizeBytes: content.length });
    expect(result.peak).toBeLessThanOrEqual(2 ** 20);
  });
});

describe('what is damaged, or is something else, is refused', () => {
  const gzip = gzipSync(TEXT);
  const zstd = zstdCompressSync(TEXT);
  const flipped = (bytes: Buffer, at: number) =>
    Buffer.concat([
      bytes.subarray(0, at),
      Buffer.from([(bytes[at] as number) ^ 0x55]),
      bytes.subarray(at + 1),
    ]);
  test.each<[name: string, content: Buffer, why: RegExp]>([
    ['cut.csv.gz', gzip.subarray(0, gzip.length / 2), /not whole gzip/],
    ['cut-trailer.csv.gz', gzip.subarray(0, -1), /not whole gzip/],
    ['cut.csv.zst', zstd.subarray(0, zstd.length / 2), /not whole zstd/],
    ['cut-end.csv.zst', zstd.subarray(0, -1), /not whole zstd/],
    ['checksum.csv.gz', flipped(gzip, gzip.length - 6), /not whole gzip/],
    [
      'behind.csv.gz',
      Buffer.concat([gzip, Buffer.from('1,2\n')]),
      /4 bytes behind its gzip data|not whole gzip/,
    ],
    [
      'behind.csv.zst',
      Buffer.concat([zstd, Buffer.from('1,2\n')]),
      /bytes behind its zstd data|not whole zstd/,
    ],
    ['second-cut.csv.gz', Buffer.concat([gzip, gzip.subarray(0, 100)]), /not whole gzip/],
    ['second-cut.csv.zst', Buffer.concat([zstd, zstd.subarray(0, 100)]), /not whole zstd/],
    ['text.csv.gz', TEXT, /is named \.gz, but is not compressed/],
    ['text.csv.zst', TEXT, /is named \.zst, but is not compressed/],
    ['x.csv', Buffer.from('BZh91AY'), /bzip2/],
    ['y.csv', Buffer.from('fd377a585a000004', 'hex'), /xz/],
  ])('%s', async (name, content, why) => {
    await expect(read(name, content)).rejects.toMatchObject({
      code: 'SOURCE_CORRUPT',
      message: expect.stringMatching(why),
    });
  });

  test.each([
    ['bomb.csv.gz', gzipSync],
    ['bomb.csv.zst', zstdCompressSync],
  ])(
    '%s, which inflates a thousandfold, is given up early',
    async (name, compress) => {
      const piece = compress(Buffer.alloc(100_000_000, 'a,b\n'));
      const content = name.endsWith('.gz')
        ? Buffer.concat(Array.from({ length: 3 }, () => piece))
        : compress(Buffer.alloc(300_000_000, 'a,b\n'));
      const path = join(folder, name);
      writeFileSync(path, content);
      let inflated = 0;
      const reading = readTextFile(
        path,
        (chunk) => {
          inflated += chunk.length;
        },
        new AbortController().signal,
      );
      await expect(reading).rejects.toMatchObject({
        code: 'SOURCE_CORRUPT',
        message: expect.stringContaining('inflates to more than 200 times'),
      });
      expect(inflated).toBeLessThan(
        Math.max(INFLATE_LIMITS.freeBytes, content.length * INFLATE_LIMITS.ratio) + 2 ** 21,
      );
    },
    60_000,
  );

  test('a bomb inside of a bomb is text that is none', async () => {
    const inner = gzipSync(Buffer.alloc(50_000_000));
    const { sha256: read1 } = await read('nested.csv.gz', gzipSync(inner));
    expect(read1).toBe(sha256(inner));
  });

  test('a file that grows while it is read', async () => {
    const path = join(folder, 'grows.csv');
    writeFileSync(path, TEXT);
    let isFirst = true;
    const reading = readTextFile(
      path,
      () => {
        if (isFirst) appendFileSync(path, '1,2\n');
        isFirst = false;
      },
      new AbortController().signal,
    );
    await expect(reading).rejects.toMatchObject({ code: 'SOURCE_CHANGED' });
  });

  test('a pipe is not waited for', async () => {
    const path = join(folder, 'pipe.csv');
    execFileSync('mkfifo', [path]);
    await expect(readTextFile(path, () => {}, new AbortController().signal)).rejects.toMatchObject({
      code: 'SOURCE_UNREADABLE',
    });
  });

  test('reading ends when the task is to end', async () => {
    const stop = new AbortController();
    stop.abort(new Error('lease lost'));
    await expect(read('stopped.csv', TEXT, stop.signal)).rejects.toThrow('lease lost');
  });
});
