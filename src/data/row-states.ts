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
  readonly #constants: Uint8Array[] = [];

  constructor(range: RowRange) {
    this.#start = range.start;
    this.#states = new Uint8Array(range.end - range.start);
  }

  /**
   * Moves rows, whose numbers are strictly increasing, from one state to another; fails with ACCOUNTING when one is not in
   * the first. Consecutive rows are compared and filled as bytes: 2 ms instead of 50 ms for 5 M rows.
   */
  move(rowNumbers: Float64Array, from: RowState, to: RowState): void {
    const states = this.#states;
    const first = (rowNumbers[0] as number) - this.#start;
    const end = first + rowNumbers.length;
    if (rowNumbers[rowNumbers.length - 1] === this.#start + end - 1 && first >= 0 && end <= states.length) {
      const expected = this.#filled(from, rowNumbers.length);
      if (Buffer.compare(states.subarray(first, end), expected) === 0) {
        states.fill(to, first, end);
        return;
      }
    }
    for (const rowNumber of rowNumbers) this.moveOne(rowNumber, from, to);
  }

  moveOne(rowNumber: number, from: RowState, to: RowState): void {
    const row = rowNumber - this.#start;
    if (this.#states[row] !== from) throw this.#wrong(rowNumber, to);
    this.#states[row] = to;
  }

  /** Rows in each state among the first `rows`, indexed by state. */
  tally(rows: number): [unseen: number, due: number, scored: number, rejected: number] {
    const counts: [number, number, number, number] = [0, 0, 0, 0];
    const states = this.#states;
    if (([UNSEEN, DUE, REJECTED] as const).every((state) => this.first(state, rows) === null))
      counts[SCORED] = rows;
    else for (let row = 0; row < rows; row += 1) counts[states[row] as RowState] += 1;
    return counts;
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

  /** So many bytes of a state. */
  #filled(state: RowState, length: number): Uint8Array {
    let bytes = this.#constants[state];
    if (bytes === undefined || bytes.length < length) {
      bytes = new Uint8Array(length).fill(state);
      this.#constants[state] = bytes;
    }
    return bytes.subarray(0, length);
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
