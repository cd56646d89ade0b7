import { Failure } from '../core/errors.ts';
import type { RowRange } from '../core/snapshot.ts';

/** Not seen: not read yet, or filtered. */
export const UNSEEN = 0;
/** In a batch that was handed out; its answer is due. */
export const DUE = 1;
export const SCORED = 2;
export const REJECTED = 3;
export type RowState = typeof UNSEEN | typeof DUE | typeof SCORED | typeof REJECTED;

/**
 * What has become of each row of a range: one byte per row, so that no row is answered twice or forgotten. Row numbers
 * of `move` are of the snapshot; those of the other methods count from the start of the range.
 */
export class RowStates {
  readonly #start: number;
  readonly #states: Uint8Array;

  constructor(range: RowRange) {
    this.#start = range.start;
    this.#states = new Uint8Array(range.end - range.start);
  }

  /** Moves rows from one state to another; fails with ACCOUNTING when one is not in the first. */
  move(rowNumbers: Float64Array, from: RowState, to: RowState): void {
    const states = this.#states;
    const start = this.#start;
    for (let index = 0; index < rowNumbers.length; index += 1) {
      const row = (rowNumbers[index] as number) - start;
      if (states[row] !== from) throw this.#wrong(rowNumbers[index] as number, to);
      states[row] = to;
    }
  }

  moveOne(rowNumber: number, from: RowState, to: RowState): void {
    const row = rowNumber - this.#start;
    if (this.#states[row] !== from) throw this.#wrong(rowNumber, to);
    this.#states[row] = to;
  }

  /** Rows among the first `rows` that are in a state. */
  count(state: RowState, rows: number): number {
    let count = 0;
    const states = this.#states;
    for (let row = 0; row < rows; row += 1) if (states[row] === state) count += 1;
    return count;
  }

  /** Number, in the snapshot, of the first of the first `rows` rows that is in a state. */
  first(state: RowState, rows: number): number | null {
    const row = this.#states.subarray(0, rows).indexOf(state);
    return row === -1 ? null : row + this.#start;
  }

  /** Runs of rows in a state within [from, to), counted from `from`. */
  runs(state: RowState, from: number, to: number): [number, number][] {
    const runs: [number, number][] = [];
    const states = this.#states;
    for (let row = from; row < to; ) {
      if (states[row] !== state) {
        row += 1;
        continue;
      }
      const start = row;
      while (row < to && states[row] === state) row += 1;
      runs.push([start - from, row - from]);
    }
    return runs;
  }

  /** 1 for each row of [from, to) that is in a state. */
  flags(state: RowState, from: number, to: number): Uint8Array {
    return this.#states.subarray(from, to).map((found) => (found === state ? 1 : 0));
  }

  #wrong(rowNumber: number, to: RowState): Failure {
    const state = this.#states[rowNumber - this.#start];
    const names = ['not handed out', 'handed out', 'scored', 'rejected'];
    const is = state === undefined ? 'outside of the range' : names[state];
    return new Failure('ACCOUNTING', `Row ${rowNumber} was to become ${names[to]}, but it is ${is}.`, {
      place: { row: String(rowNumber) },
    });
  }
}
