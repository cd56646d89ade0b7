import { type RowRange, rangeRows, type Snapshot } from './snapshot.ts';

export interface CutSettings {
  /** Workers that will score at the same time. */
  readonly workers: number;
  /** Expected bytes of output per row, before compression. */
  readonly outputBytesPerRow: number;
  /** Read at most so many rows of the snapshot; null: all. */
  readonly limit: number | null;
}

/** Below this a shard's fixed cost (claim, open, commit: some 15 ms) shows. */
const MIN_ROWS = 50_000;
/** What a retry has to repeat, and what a worker keeps in memory until the part is written (some 35 bytes per row), at the most. */
const MAX_ROWS = 1_500_000;
const TARGET_PART_BYTES = 64 * 2 ** 20;
/** Each worker should get several shards, so that a slower one can be made up for. */
const SHARDS_PER_WORKER = 4;

/**
 * Cuts a snapshot into shards that tile it exactly, in order.
 *
 * Shards aim at parts of 64 MB, but there are at least four per worker where the rows allow. The last tenth of the rows
 * is cut eight times finer: workers that are a little slower or later than others then end together with them. Cuts fall
 * on row group borders where one is near (within half of the shard), because a reader decodes whole row groups.
 */
export function cutShards(snapshot: Snapshot, settings: CutSettings): RowRange[] {
  const rows = settings.limit === null ? snapshot.rows : Math.min(snapshot.rows, settings.limit);
  if (rows === 0) return [];
  const byBytes = TARGET_PART_BYTES / Math.max(1, settings.outputBytesPerRow);
  const byWorkers = rows / (settings.workers * SHARDS_PER_WORKER);
  const coarse = Math.round(Math.min(MAX_ROWS, Math.max(MIN_ROWS, Math.min(byBytes, byWorkers))));
  const fine = Math.max(MIN_ROWS, Math.round(coarse / 8));
  const tail = settings.workers > 1 ? rows - Math.max(coarse, Math.round(rows / 10)) : rows;

  const borders = rowGroupBorders(snapshot).filter((border) => border < rows);
  const shards: RowRange[] = [];
  let start = 0;
  let nextBorder = 0;
  while (start < rows) {
    const size = start < tail ? coarse : fine;
    let end = Math.min(rows, start + size);
    if (rows - end < size / 4) end = rows;
    if (end < rows) {
      while (nextBorder < borders.length && (borders[nextBorder] as number) < end - size / 2) nextBorder += 1;
      end = nearestBorder(borders, nextBorder, end, size / 2) ?? end;
    }
    shards.push({ start, end });
    start = end;
  }
  if (shards.reduce((sum, shard) => sum + rangeRows(shard), 0) !== rows)
    throw new Error('shards do not tile the snapshot');
  return shards;
}

/** Snapshot row numbers at which a row group (or a file) ends, increasing. */
function rowGroupBorders(snapshot: Snapshot): number[] {
  const borders: number[] = [];
  let row = 0;
  for (const file of snapshot.files) {
    for (const group of file.rowGroups) {
      row += group;
      borders.push(row);
    }
  }
  return borders;
}

/** The border closest to `row` among those from index `from` on that are at most `reach` away. */
function nearestBorder(borders: readonly number[], from: number, row: number, reach: number): number | null {
  let best: number | null = null;
  for (let index = from; index < borders.length; index += 1) {
    const border = borders[index] as number;
    if (border > row + reach) break;
    if (best === null || Math.abs(border - row) < Math.abs(best - row)) best = border;
  }
  return best;
}
