import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RowEnds, RowText } from './row-text.ts';

const field = fc.option(
  fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('', '"', '""', '\n', ',', '\\N', 'a\n"b"\n,c')),
  { nil: null },
);

test('wherever pieces are cut, what lies before an end is whole rows, and together they are all of it', () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(field, { minLength: 2, maxLength: 2 }), { maxLength: 20 }),
      fc.array(fc.nat(40), { maxLength: 30 }),
      (rows, cuts) => {
        const text = new RowText();
        for (const row of rows) text.row(row);
        const all = text.rest();
        const ends = new RowEnds();
        const borders = rowBorders(all);
        let at = 0;
        for (let next = 0; at < all.length; next += 1) {
          const size = Math.max(1, cuts[next] ?? 7);
          const piece = all.subarray(at, at + size);
          const end = ends.push(piece);
          const last = borders.filter((border) => border > at && border <= at + piece.length).at(-1);
          expect(end === 0 ? undefined : at + end).toBe(last);
          at += piece.length;
        }
        expect(ends.complete).toBe(true);
        expect(borders).toHaveLength(rows.length);
      },
    ),
  );
});

/** Behind each LF outside of quotes, found byte by byte. */
function rowBorders(bytes: Buffer): number[] {
  const borders: number[] = [];
  let open = false;
  for (const [at, byte] of bytes.entries()) {
    if (byte === 0x22) open = !open;
    if (byte === 0x0a && !open) borders.push(at + 1);
  }
  return borders;
}

test('the longest row is never taken for shorter than it is', () => {
  const ends = new RowEnds();
  for (const piece of ['a\n', 'x'.repeat(100), 'x'.repeat(100), '\nb\n']) ends.push(Buffer.from(piece));
  expect(ends.longestRowBytes).toBeGreaterThanOrEqual(201);
  ends.push(Buffer.from('open'));
  expect(ends.complete).toBe(false);
});
