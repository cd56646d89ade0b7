import type { RowRange } from '../../core/snapshot.ts';

/** Places that a sample is taken from, so that it is not only the oldest rows, or those of the first file. */
const PLACES = 10;

/** About `wanted` rows in ten runs that begin evenly spread; all rows where there are no more. Never a row twice. */
export function sampleRanges(rows: number, wanted: number): RowRange[] {
  if (rows === 0) return [];
  if (rows <= wanted) return [{ start: 0, end: rows }];
  const ranges: RowRange[] = [];
  for (let place = 0; place < PLACES; place += 1) {
    const start = Math.floor((place * rows) / PLACES);
    const next = Math.floor(((place + 1) * rows) / PLACES);
    const size = Math.floor(((place + 1) * wanted) / PLACES) - Math.floor((place * wanted) / PLACES);
    const end = Math.min(start + size, next);
    if (start < end) ranges.push({ start, end });
  }
  return ranges;
}
