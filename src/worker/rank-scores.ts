import type { Column } from '../core/columns.ts';
import { Failure } from '../core/errors.ts';

/*
 * Scores of a list column, compared within each record. Ties go to the class that the model names first. NaN counts as
 * greater than every number, as in NumPy and PyTorch: where NaN is allowed at all, it comes out on top instead of hiding.
 */

/** Positions in each record's own list, and where each record's positions begin. */
interface Ranked {
  readonly positions: Int32Array;
  readonly offsets: Uint32Array;
}

/** The position of the greatest score of each record. */
export function best(column: Column, rows: number): Ranked {
  const values = column.values as ArrayLike<number>;
  const starts = column.offsets as Uint32Array;
  const positions = new Int32Array(rows);
  const offsets = new Uint32Array(rows + 1);
  for (let row = 0; row < rows; row += 1) {
    const start = starts[row] as number;
    const end = starts[row + 1] as number;
    if (start === end) throw noScores(column);
    let top = start;
    let score = values[start] as number;
    for (let at = start + 1; at < end; at += 1) {
      const next = values[at] as number;
      if (!isGreater(next, score)) continue;
      top = at;
      score = next;
    }
    positions[row] = top - start;
    offsets[row + 1] = row + 1;
  }
  return { positions, offsets };
}

/** The positions of the k greatest scores of each record, best first; all of them where there are fewer. */
export function topK(column: Column, rows: number, k: number): Ranked {
  const values = column.values as ArrayLike<number>;
  const starts = column.offsets as Uint32Array;
  const offsets = new Uint32Array(rows + 1);
  for (let row = 0; row < rows; row += 1) {
    const width = (starts[row + 1] as number) - (starts[row] as number);
    offsets[row + 1] = (offsets[row] as number) + Math.min(k, width);
  }
  const positions = new Int32Array(offsets[rows] as number);
  for (let row = 0; row < rows; row += 1) {
    const start = starts[row] as number;
    const width = (starts[row + 1] as number) - start;
    const first = offsets[row] as number;
    let held = 0;
    for (let candidate = 0; candidate < width; candidate += 1) {
      const score = values[start + candidate] as number;
      const isFull = held === k;
      if (isFull && !isGreater(score, values[start + (positions[first + k - 1] as number)] as number))
        continue;
      let at = first + (isFull ? k - 1 : held);
      while (at > first && isGreater(score, values[start + (positions[at - 1] as number)] as number)) {
        positions[at] = positions[at - 1] as number;
        at -= 1;
      }
      positions[at] = candidate;
      if (!isFull) held += 1;
    }
  }
  return { positions, offsets };
}

/**
 * exp(x - max) / sum of the same, for each record, reckoned in double precision: no finite score overflows. As in SciPy, a
 * NaN or a positive infinity among the scores, or nothing but negative infinities, makes all of the record's probabilities NaN.
 */
export function softmax(column: Column, rows: number): Column {
  const scores = column.values as Float32Array | Float64Array;
  const starts = column.offsets as Uint32Array;
  const values =
    column.type === 'float32' ? new Float32Array(scores.length) : new Float64Array(scores.length);
  let powers = new Float64Array(0);
  for (let row = 0; row < rows; row += 1) {
    const start = starts[row] as number;
    const width = (starts[row + 1] as number) - start;
    if (powers.length < width) powers = new Float64Array(width);
    let max = Number.NEGATIVE_INFINITY;
    for (let at = 0; at < width; at += 1) max = Math.max(max, scores[start + at] as number);
    let sum = 0;
    for (let at = 0; at < width; at += 1) {
      const power = Math.exp((scores[start + at] as number) - max);
      powers[at] = power;
      sum += power;
    }
    for (let at = 0; at < width; at += 1) values[start + at] = (powers[at] as number) / sum;
  }
  return { ...column, values };
}

/** Also for 64-bit whole numbers, which are bigints. */
function isGreater(a: number, b: number): boolean {
  // biome-ignore lint/suspicious/noSelfCompare: NaN is what differs from itself, and isNaN takes no bigint.
  return a > b || (a !== a && b === b);
}

function noScores({ name }: Column): Failure {
  return new Failure('MODEL_UNSUPPORTED', `The output '${name}' of the model gave no score for a record.`, {
    place: { field: name },
  });
}
