import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { cutRows, type Piece } from './cut-rows.ts';

const folder = mkdtempSync(join(tmpdir(), 'cut-rows-'));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function* chunks(...texts: string[]): AsyncGenerator<Buffer> {
  for (const text of texts) yield Buffer.from(text);
}

/** Contents of the pieces, in order. */
async function cut(rows: AsyncIterable<Buffer>, take?: (piece: Piece) => void): Promise<string[]> {
  mkdirSync(folder, { recursive: true });
  const pieces: string[] = [];
  await cutRows(
    rows,
    join(folder, 'rows'),
    async (piece) => {
      expect(existsSync(piece.path)).toBe(true);
      take?.(piece);
      pieces.push(readFileSync(piece.path, 'utf8'));
    },
    8,
  );
  return pieces;
}

test('pieces end where rows end, and together are all there was', async () => {
  const texts = ['aaaa\nbb', 'bb\n"c\nc', 'c"\nddddddddddddddddd', 'd\n', 'e\n'];
  const pieces = await cut(chunks(...texts));
  expect(pieces.join('')).toBe(texts.join(''));
  expect(pieces.length).toBeGreaterThan(2);
  for (const piece of pieces) expect(piece).toMatch(/^([^"\n]*\n|"[^"]*"\n)+$/);
  expect(readdirSync(folder)).toEqual([]);
});

test('without rows there is one piece, which is empty', async () => {
  expect(await cut(chunks())).toEqual(['']);
});

test('a stream that ends in the middle of a row is no input', async () => {
  await expect(cut(chunks('a\nb'))).rejects.toMatchObject({ code: 'CONNECTION_FAILED' });
  expect(readdirSync(folder)).toEqual([]);
});

test('a piece that cannot be taken, or a stream that breaks, ends it, and leaves no file', async () => {
  const refusing = cut(chunks('aaaaaaaaa\n', 'bbbbbbbbbb\n', 'c\n', 'd\n'), () => {
    throw new Error('no');
  });
  await expect(refusing).rejects.toThrow('no');
  expect(readdirSync(folder)).toEqual([]);
  const breaking = async function* () {
    yield Buffer.from('aaaaaaaaaaaa\nb');
    throw new Error('cut off');
  };
  await expect(cut(breaking())).rejects.toThrow('cut off');
  expect(readdirSync(folder)).toEqual([]);
});
