import fc from 'fast-check';
import { expect, test } from 'vitest';
import { addCounts } from './counts.ts';
import type { PartRow } from './lease.ts';
import {
  answeredCounts,
  countsOfParts,
  type RetryBase,
  requireBaseBalances,
  takenCounts,
  uncoveredRanges,
  wholeFiles,
} from './retry.ts';
import type { RowRange } from './snapshot.ts';

type Fate = 'missing' | 'scored' | 'rejected' | 'filtered';
const FATES: readonly Fate[] = ['missing', 'scored', 'rejected', 'filtered'];

/** A job's rows in shards: a shard that was not accepted leaves all of its rows missing. */
const job = fc.array(
  fc.record({
    accepted: fc.boolean(),
    fates: fc.array(fc.constantFrom<Fate>('scored', 'rejected', 'filtered'), { minLength: 1, maxLength: 8 }),
  }),
  { minLength: 1, maxLength: 8 },
);
const lines = fc.record({
  first: job,
  /** Which rejects each retry scores again, by turns, and what becomes of its rows. */
  retries: fc.array(
    fc.record({ again: fc.array(fc.boolean(), { minLength: 1, maxLength: 8 }), shards: job }),
    { maxLength: 4 },
  ),
});

interface Plan {
  readonly rows: number;
  readonly parts: PartRow[];
  readonly fates: Fate[];
}

test('a line of retries: each row is taken over or scored, once, and the whole never changes its size', () => {
  fc.assert(
    fc.property(lines, ({ first, retries }) => {
      let { rows, parts, fates } = planOf(
        first,
        first.reduce((sum, { fates: each }) => sum + each.length, 0),
      );
      const whole = rows;
      let base = null as RetryBase | null;
      for (const { again, shards } of retries) {
        const answered = answeredCounts(countsOfParts(parts), base);
        const took = base;
        const missing = uncoveredRanges(
          rows,
          parts.map(({ range }) => range),
        );
        expectTiles(
          rows,
          parts.map(({ range }) => range),
          missing,
        );
        expect(lengthOf(missing)).toBe(fates.filter((fate) => fate === 'missing').length);
        expect(answered.read + lengthOf(missing)).toBe(whole);

        const rejects = answered.rejected;
        const retried = Array.from({ length: rejects }, (_, at) => again[at % again.length]).filter(Boolean);
        const counts = takenCounts(answered, retried.length);
        const own = retried.length + lengthOf(missing);
        base = {
          counts,
          parts: wholeFiles('parts', { jobId: 'job-0', parts, base: took }),
          rejects: counts.rejected === 0 ? [] : [carried(counts.rejected)],
          inputs: [],
        };
        requireBaseBalances(base, own, rows + (took?.counts.read ?? 0));
        expect(counts.scored + counts.rejected + counts.filtered + own).toBe(whole);
        // A row too many or too few, in any of the numbers, is told.
        const oneMore = {
          ...base,
          counts: addCounts(counts, { read: 1, scored: 1, rejected: 0, filtered: 0 }),
        };
        expect(() => requireBaseBalances({ ...oneMore, counts }, own + 1, whole)).toThrow(/are not the/);
        expect(() => requireBaseBalances(oneMore, own - 1, whole)).toThrow(/does not add up/);
        if (own === 0) return;
        ({ rows, parts, fates } = planOf(shards, own));
      }
    }),
  );
});

test('rows that no range covers, and the ranges, tile the rows, in whatever order the ranges come', () => {
  fc.assert(
    fc.property(job, fc.infiniteStream(fc.nat()), (shards, order) => {
      const { rows, parts } = planOf(
        shards,
        shards.reduce((sum, { fates }) => sum + fates.length, 0),
      );
      const ranges = parts
        .map(({ range }) => ({ range, at: order.next().value }))
        .sort((a, b) => a.at - b.at)
        .map(({ range }) => range);
      expectTiles(rows, ranges, uncoveredRanges(rows, ranges));
    }),
  );
});

/** `shards` by turns until the rows are dealt out. */
function planOf(
  shards: readonly { readonly accepted: boolean; readonly fates: readonly Fate[] }[],
  rows: number,
): Plan {
  const parts: PartRow[] = [];
  const all: Fate[] = [];
  for (let at = 0; all.length < rows; at += 1) {
    const { accepted, fates } = shards[at % shards.length] as (typeof shards)[number];
    const own = fates.slice(0, rows - all.length);
    const range = { start: all.length, end: all.length + own.length };
    if (accepted) parts.push(partOf(at, range, own));
    all.push(...own.map((fate): Fate => (accepted ? fate : 'missing')));
  }
  return { rows, parts, fates: all };
}

function partOf(shardId: number, range: RowRange, fates: readonly Fate[]): PartRow {
  const [, scored = 0, rejected = 0, filtered = 0] = FATES.map(
    (fate) => fates.filter((each) => each === fate).length,
  );
  const file = (rows: number) =>
    rows === 0 ? null : { key: `${shardId}`, rows, sizeBytes: 1, sha256: 'ab' };
  return {
    shardId,
    attempt: 1,
    range,
    counts: { read: fates.length, scored, rejected, filtered },
    part: file(scored),
    rejects: file(rejected),
  };
}

function carried(rows: number): RetryBase['rejects'][number] {
  return { jobId: 'job-0', shard: null, file: { key: 'carried', rows, sizeBytes: 1, sha256: 'ab' } };
}

function expectTiles(rows: number, covered: readonly RowRange[], gaps: readonly RowRange[]): void {
  let at = 0;
  for (const { start, end } of [...covered, ...gaps].sort((a, b) => a.start - b.start)) {
    expect(start).toBe(at);
    expect(end).toBeGreaterThan(start);
    at = end;
  }
  expect(at).toBe(rows);
}

function lengthOf(ranges: readonly RowRange[]): number {
  return ranges.reduce((sum, { start, end }) => sum + end - start, 0);
}
