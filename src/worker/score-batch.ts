import type { Column, NumericValues, RecordBatch } from '../core/columns.ts';
import type { ErrorCode } from '../core/error-codes.ts';
import { asFailure, type Failure } from '../core/errors.ts';
import { runsWithout, sliceBatch } from '../core/slice-rows.ts';
import type { Session } from '../runtimes/runtime.ts';
import type { OutputPlan } from './derive-outputs.ts';

/** Where the answers of a batch go: each record to exactly one of the two. */
export interface Answers {
  append(rowNumbers: Float64Array, columns: readonly Column[]): void;
  reject(row: { rowNumber: number; code: ErrorCode; message: string }): void;
}

export interface ScoreBatchOptions {
  readonly session: Session;
  readonly answers: Answers;
  readonly allowNonFinite: boolean;
  /** What is published, made from what the model answered. Default: its answers as they are. */
  readonly derive?: OutputPlan['derive'];
  readonly signal: AbortSignal;
  /** Wraps each call of the model: tells the lease keeper which rows are in it, and until when. */
  guard(rows: { start: number; end: number }, call: () => Promise<void>): Promise<void>;
  /** True once so many records were rejected that the job cannot succeed: scoring stops where it is. */
  exhausted(): boolean;
  /** A batch of `rows` records did not fit into memory. */
  outOfMemory(rows: number): void;
}

/**
 * Scores one batch. When the model refuses it as a whole, the batch is cut in halves, and those again, until the
 * records at fault stand alone: they are rejected, all others are scored.
 *
 * Returns the row number up to which every record has its answer: that after the last one, unless `exhausted` said stop.
 */
export async function scoreBatch(batch: RecordBatch, options: ScoreBatchOptions): Promise<number> {
  const first = batch.rowNumbers[0] as number;
  const end = (batch.rowNumbers[batch.rows - 1] as number) + 1;
  const refusal = await tryBatch(batch, { start: first, end }, options);
  if (refusal === null) return end;
  if (batch.rows === 1) {
    options.answers.reject({ rowNumber: first, code: recordCode(refusal), message: refusal.message });
    return end;
  }
  if (refusal.code === 'OUT_OF_MEMORY') options.outOfMemory(batch.rows);
  const middle = batch.rows >> 1;
  const covered = await scoreBatch(sliceBatch(batch, 0, middle), options);
  if (options.exhausted()) return covered;
  return scoreBatch(sliceBatch(batch, middle, batch.rows), options);
}

/** Null when the batch was answered; else why the model refused it as a whole. Other failures are thrown. */
async function tryBatch(
  batch: RecordBatch,
  rows: { start: number; end: number },
  options: ScoreBatchOptions,
): Promise<Failure | null> {
  let refusal: Failure | null = null;
  await options.guard(rows, async () => {
    try {
      const prediction = await options.session.infer(batch, options.signal);
      keep(batch, prediction.columns, prediction.rejects, options);
    } catch (error) {
      const failure = asFailure(error, 'MODEL_FAILED');
      if (!REFUSALS.has(failure.code)) throw failure;
      refusal = failure;
    }
  });
  return refusal;
}

/** Failures that a smaller batch, or the batch without one record, may not have. */
const REFUSALS: ReadonlySet<ErrorCode> = new Set(['MODEL_REFUSED', 'PREDICTION_COUNT', 'OUT_OF_MEMORY']);

function recordCode(refusal: Failure): ErrorCode {
  return refusal.code === 'OUT_OF_MEMORY' ? 'RECORD_OUT_OF_MEMORY' : refusal.code;
}

/** NaN and infinity are looked for in the model's answers, before anything is made of them: a rank would hide them. */
function keep(
  batch: RecordBatch,
  answers: readonly Column[],
  rejects: readonly { row: number; code: string; message: string }[],
  options: ScoreBatchOptions,
): void {
  const bad = new Map<number, { code: ErrorCode; message: string }>();
  for (const { row, code, message } of rejects) bad.set(row, { code: code as ErrorCode, message });
  if (!options.allowNonFinite) {
    for (const column of answers) findNonFinite(column, batch.rows, bad);
  }
  const columns = options.derive?.(answers, batch.rows) ?? answers;
  if (bad.size === 0) {
    options.answers.append(batch.rowNumbers, columns);
    return;
  }
  for (const [row, { code, message }] of [...bad].sort(([a], [b]) => a - b)) {
    options.answers.reject({ rowNumber: batch.rowNumbers[row] as number, code, message });
  }
  const answered = { rows: batch.rows, rowNumbers: batch.rowNumbers, columns };
  for (const [from, to] of runsWithout(batch.rows, new Set(bad.keys()))) {
    const run = sliceBatch(answered, from, to);
    options.answers.append(run.rowNumbers, run.columns);
  }
}

function findNonFinite(
  column: Column,
  rows: number,
  bad: Map<number, { code: ErrorCode; message: string }>,
): void {
  if (column.type !== 'float32' && column.type !== 'float64') return;
  const values = column.values as NumericValues;
  if (allFinite(values as Float32Array | Float64Array)) return;
  for (let row = 0; row < rows; row += 1) {
    const from = column.offsets === undefined ? row : (column.offsets[row] as number);
    const to = column.offsets === undefined ? row + 1 : (column.offsets[row + 1] as number);
    for (let index = from; index < to; index += 1) {
      if (Number.isFinite(Number(values[index])) || bad.has(row)) continue;
      bad.set(row, {
        code: 'PREDICTION_NOT_FINITE',
        message: `Output "${column.name}" is ${values[index]}.`,
      });
    }
  }
}

/** x - x is 0 for every finite x and NaN for the others: one pass without a branch per value. */
function allFinite(values: Float32Array | Float64Array): boolean {
  let sum = 0;
  for (let index = 0; index < values.length; index += 1) {
    const value = values[index] as number;
    sum += value - value;
  }
  return sum === 0;
}
