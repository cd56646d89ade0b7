import type { Values } from '../core/columns.ts';
import type { ShardSegment } from './engine.ts';
import type { Feed, FeedColumn, PieceWriter } from './native-bridge.ts';
import type { PredictionStore } from './prediction-store.ts';
import { type RowStates, SCORED } from './row-states.ts';

/** Rows of the range that are handed to DuckDB at once. */
const PIECE_ROWS = 61_440;

/**
 * Every row of a range from its start to `end`, in order, as columns `poff`, `pseg` (with several segments), `ok`
 * (was it scored? with gaps) and the predictions `p0`, `p1`, ...: to be joined by position with the scan of the same rows.
 */
export function predictionFeed(
  store: PredictionStore,
  states: RowStates,
  segments: readonly ShardSegment[],
  rows: number,
  scoredRows: number,
): Feed {
  const gaps = scoredRows !== rows;
  const several = segments.length > 1;
  const predictions = store.columns.map((column, index): FeedColumn => ({ ...column, name: `p${index}` }));
  const columns: FeedColumn[] = [
    { name: 'poff', type: 'int32', shape: 'scalar' },
    ...(several ? [{ name: 'pseg', type: 'int32', shape: 'scalar' } as const] : []),
    ...(gaps ? [{ name: 'ok', type: 'bool', shape: 'scalar' } as const] : []),
    ...predictions,
  ];
  const base = columns.length - predictions.length;
  const place = placer(segments);
  let row = 0;
  let scored = 0;
  return {
    columns,
    next(piece) {
      const count = Math.min(PIECE_ROWS, rows - row);
      if (count === 0) return 0;
      piece.begin(count);
      const { seg, off } = place(row, count);
      piece.fixed(0, 0, off);
      if (several) piece.fixed(1, 0, seg);
      if (gaps) piece.fixed(base - 1, 0, states.flags(SCORED, row, row + count));
      const runs: [number, number][] = gaps ? states.runs(SCORED, row, row + count) : [[0, count]];
      let taken = 0;
      for (const [index, column] of predictions.entries()) {
        taken = writeColumn(piece, base + index, column, index, { store, runs, count, scored });
      }
      row += count;
      scored += taken;
      return count;
    },
  };
}

interface Window {
  readonly store: PredictionStore;
  /** Runs of scored rows in the piece. */
  readonly runs: readonly (readonly [number, number])[];
  readonly count: number;
  /** Scored rows before the piece. */
  readonly scored: number;
}

/** Puts a column's values where their rows are; returns how many rows of the piece have one. */
function writeColumn(
  piece: PieceWriter,
  target: number,
  column: FeedColumn,
  index: number,
  window: Window,
): number {
  const { store, runs, count, scored } = window;
  let from = scored;
  if (column.shape === 'list') {
    const offsets = new Uint32Array(count + 1);
    const begin = store.listStart(index, scored);
    let next = 0;
    let elements = 0;
    for (const [start, end] of runs) {
      offsets.fill(elements, next, start + 1);
      for (let at = start; at < end; at += 1, from += 1)
        offsets[at + 1] = store.listStart(index, from + 1) - begin;
      elements = offsets[end] as number;
      next = end;
    }
    offsets.fill(elements, next);
    piece.lists(target, offsets);
    store.slices(index, begin, begin + elements, (at, values) => write(piece, target, at, values));
    return from - scored;
  }
  let next = 0;
  for (const [start, end] of runs) {
    // Nothing may stay uninitialised where DuckDB would follow a pointer.
    if (column.type === 'string') write(piece, target, next, new Array<string>(start - next).fill(''));
    store.slices(index, from, from + end - start, (at, values) => write(piece, target, start + at, values));
    from += end - start;
    next = end;
  }
  if (column.type === 'string') write(piece, target, next, new Array<string>(count - next).fill(''));
  return from - scored;
}

function write(piece: PieceWriter, column: number, at: number, values: Values): void {
  if (Array.isArray(values)) piece.text(column, at, values);
  else piece.fixed(column, at, values);
}

/** Segment and place in it of consecutive rows of the range; both arrays are valid until the next call. */
export function placer(
  segments: readonly ShardSegment[],
): (row: number, count: number) => { seg: Int32Array; off: Int32Array } {
  const starts = [0];
  for (const { start, end } of segments) starts.push((starts.at(-1) as number) + end - start);
  let segment = 0;
  let room = { seg: new Int32Array(), off: new Int32Array() };
  return (row, count) => {
    if (room.off.length < count) room = { seg: new Int32Array(count), off: new Int32Array(count) };
    const seg = room.seg.subarray(0, count);
    const off = room.off.subarray(0, count);
    for (let at = 0; at < count; ) {
      while ((starts[segment + 1] as number) <= row + at) segment += 1;
      const end = Math.min(count, (starts[segment + 1] as number) - row);
      const start = row - (starts[segment] as number);
      seg.fill(segment, at, end);
      for (; at < end; at += 1) off[at] = start + at;
    }
    return { seg, off };
  };
}
