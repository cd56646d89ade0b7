import fc from 'fast-check';
import { expect, test } from 'vitest';
import { cutShards } from './cut-shards.ts';
import { type Snapshot, segmentsOf } from './snapshot.ts';

const identity = { sizeBytes: 1, mtimeNs: '1', footerSha256: 'x' };

function snapshotOf(files: number[][]): Snapshot {
  return {
    files: files.map((rowGroups, index) => ({
      key: `f${index}`,
      identity,
      rows: rowGroups.reduce((sum, rows) => sum + rows, 0),
      rowGroups,
    })),
    columns: [],
    rows: files.flat().reduce((sum, rows) => sum + rows, 0),
  };
}

const anySnapshot = fc
  .array(fc.array(fc.integer({ min: 0, max: 400_000 }), { maxLength: 12 }), { maxLength: 12 })
  .map(snapshotOf);

test('shards never skip, double or reorder a row, whatever the files, workers and limit', () => {
  fc.assert(
    fc.property(
      anySnapshot,
      fc.integer({ min: 1, max: 64 }),
      fc.integer({ min: 1, max: 10_000 }),
      fc.option(fc.integer({ min: 0, max: 3_000_000 })),
      (snapshot, workers, outputBytesPerRow, limit) => {
        const shards = cutShards(snapshot, { workers, outputBytesPerRow, limit });
        let row = 0;
        for (const shard of shards) {
          expect(shard.start).toBe(row);
          expect(shard.end).toBeGreaterThan(shard.start);
          row = shard.end;
        }
        expect(row).toBe(limit === null ? snapshot.rows : Math.min(limit, snapshot.rows));
      },
    ),
  );
});

test('segments of all shards cover each file row once', () => {
  fc.assert(
    fc.property(anySnapshot, fc.integer({ min: 1, max: 8 }), (snapshot, workers) => {
      const next = snapshot.files.map(() => 0);
      for (const shard of cutShards(snapshot, { workers, outputBytesPerRow: 4, limit: null })) {
        for (const segment of segmentsOf(snapshot.files, shard)) {
          expect(segment.start).toBe(next[segment.file]);
          next[segment.file] = segment.end;
        }
      }
      expect(next).toEqual(snapshot.files.map((file) => file.rows));
    }),
  );
});

test('a large file is cut at row group borders, with at least four shards for each worker', () => {
  const snapshot = snapshotOf([Array.from({ length: 163 }, () => 122_880)]);
  const shards = cutShards(snapshot, { workers: 2, outputBytesPerRow: 12, limit: null });
  expect(shards.length).toBeGreaterThanOrEqual(8);
  for (const shard of shards) expect(shard.end % 122_880).toBe(0);
});

test('thousands of tiny files are gathered into few shards', () => {
  const snapshot = snapshotOf(Array.from({ length: 2_000 }, () => [100]));
  expect(cutShards(snapshot, { workers: 2, outputBytesPerRow: 12, limit: null }).length).toBeLessThanOrEqual(
    4,
  );
});

test('a row group that goes on just beyond the limit does not draw a shard past it', () => {
  const snapshot = snapshotOf([[50_000, 65_000, 50_000]]);
  expect(cutShards(snapshot, { workers: 1, outputBytesPerRow: 4, limit: 112_500 }).at(-1)?.end).toBe(112_500);
});
