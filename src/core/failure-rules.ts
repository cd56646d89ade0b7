import { ERROR_CODES, type ErrorCode } from './error-codes.ts';
import { Failure, type FailureReport } from './errors.ts';
import { type RowRange, rangeRows } from './snapshot.ts';

/**
 * What follows from a failed attempt. Pure: the ledger asks, and writes down the verdict.
 *
 * A shard that kills its workers is narrowed down in *careful mode*, in which the worker halves what it gives to the
 * model and notes each range before the call. The range that was in the model when the worker died (the suspect) is cut
 * out as a shard of its own, so a single culprit among n rows is found in about log2(n) deaths.
 */

/** What is remembered of a shard between attempts. */
export interface ShardHistory {
  readonly range: RowRange;
  readonly careful: boolean;
  readonly condemned: FailureReport | null;
  /** Failed attempts that count against the job's `retryCount`. */
  readonly failures: number;
  /** Not careful: deaths without a known suspect. Careful and of one row: deaths with that row in the model. */
  readonly deaths: number;
}

export interface Trouble {
  /** 'death': the worker is gone or silent. 'failure': it said what went wrong. */
  readonly kind: 'death' | 'failure';
  readonly report: FailureReport;
  /** Rows in the model at that moment, if known. */
  readonly suspect: RowRange | null;
  /** The reporter knows that trying again cannot help. */
  readonly permanent: boolean;
}

export type Verdict =
  | { readonly next: 'fail-job'; readonly report: FailureReport }
  | ({ readonly next: 'retry'; readonly delayMs: number } & Omit<ShardHistory, 'range'>)
  /** The suspect goes on carefully with `failures`; what lies before and after it starts afresh. */
  | { readonly next: 'cut'; readonly suspect: RowRange; readonly failures: number; readonly delayMs: number };

const BACKOFF_BASE_MS = 500;
const BACKOFF_CAP_MS = 30_000;
const DEATHS_UNTIL_CAREFUL = 2;
const DEATHS_UNTIL_CONDEMNED = 2;

/**
 * Wait before the next try after `failures` failed ones: exponential with full jitter, uniform in
 * [0, min(30 s, 500 ms * 2^(failures - 1))). `float` is a random number in [0, 1).
 */
export function backoffMs(failures: number, float: number): number {
  return float * Math.min(BACKOFF_CAP_MS, BACKOFF_BASE_MS * 2 ** Math.max(0, failures - 1));
}

/** Permanent is declared, by the reporter or by the code's scope; everything else may be tried again. */
export function isPermanent(code: ErrorCode, declared: boolean): boolean {
  return declared || ERROR_CODES[code].scope === 'job';
}

/**
 * Rejects that a job may have. A share is rounded down to whole records, except that 29 % of 100 is 29 although
 * 0.29 * 100 is 28.999999999999996.
 */
export function rejectLimit(
  budget: { readonly count: number } | { readonly share: number },
  rows: number,
): number {
  if ('count' in budget) return budget.count;
  const exact = budget.share * rows;
  const nearest = Math.round(exact);
  return Math.abs(exact - nearest) <= 4 * Number.EPSILON * nearest ? nearest : Math.floor(exact);
}

/** `float` is a random number in [0, 1) for the backoff. */
export function afterFailedAttempt(
  shard: ShardHistory,
  trouble: Trouble,
  retryCount: number,
  float: number,
): Verdict {
  if (isPermanent(trouble.report.code, trouble.permanent))
    return { next: 'fail-job', report: trouble.report };

  const suspect = inside(trouble.suspect, shard.range);
  const narrows = suspect !== null && rangeRows(suspect) < rangeRows(shard.range);
  if (shard.careful && narrows) return { next: 'cut', suspect, failures: shard.failures, delayMs: 0 };

  const condemnation = condemnationCode(trouble);
  if (shard.careful && suspect !== null && rangeRows(shard.range) === 1 && condemnation !== null) {
    const deaths = shard.deaths + 1;
    const condemned =
      deaths < DEATHS_UNTIL_CONDEMNED ? shard.condemned : condemn(shard.range.start, condemnation, deaths);
    return { next: 'retry', failures: shard.failures, deaths, careful: true, condemned, delayMs: 0 };
  }

  const failures = shard.failures + 1;
  if (failures > retryCount)
    return { next: 'fail-job', report: exhausted(shard.range, failures, trouble.report) };
  const delayMs = shard.careful && trouble.kind === 'death' ? 0 : backoffMs(failures, float);
  if (narrows) return { next: 'cut', suspect, failures, delayMs };

  const deaths = shard.deaths + (!shard.careful && trouble.kind === 'death' && suspect === null ? 1 : 0);
  const turnsCareful = !shard.careful && (suspect !== null || deaths >= DEATHS_UNTIL_CAREFUL);
  return {
    next: 'retry',
    failures,
    deaths: turnsCareful ? 0 : deaths,
    careful: shard.careful || turnsCareful,
    condemned: shard.condemned,
    delayMs,
  };
}

/** The code under which a single row is rejected that did this twice with nothing else in the model; null: no such. */
function condemnationCode(trouble: Trouble): ErrorCode | null {
  if (trouble.report.code === 'MODEL_TIMEOUT') return 'RECORD_TIMEOUT';
  if (trouble.report.code === 'OUT_OF_MEMORY') return 'RECORD_OUT_OF_MEMORY';
  return trouble.kind === 'death' ? 'MODEL_CRASHED' : null;
}

function condemn(row: number, code: ErrorCode, deaths: number): FailureReport {
  const message = `${ERROR_CODES[code].meaning} It happened ${deaths} times with row ${row} alone in the model.`;
  return new Failure(code, message, { place: { row: String(row) } }).toJSON();
}

function exhausted(range: RowRange, failures: number, cause: FailureReport): FailureReport {
  const rows = rangeRows(range) === 1 ? `Row ${range.start}` : `Rows ${range.start} to ${range.end - 1}`;
  const times = failures === 1 ? 'once' : `${failures} times`;
  const message = `${rows} failed ${times}, more than config.retry_count allows; the last cause: ${cause.code}: ${cause.message}`;
  return new Failure('RETRIES_EXHAUSTED', message, { place: cause.place, next: cause.next }).toJSON();
}

/** The part of a suspect that lies in the shard; null if nothing does. */
function inside(suspect: RowRange | null, range: RowRange): RowRange | null {
  if (suspect === null) return null;
  const start = Math.max(suspect.start, range.start);
  const end = Math.min(suspect.end, range.end);
  return start < end ? { start, end } : null;
}
