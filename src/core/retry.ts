import type { BoundJob } from './bound.ts';
import { addCounts, type Counts, countsBalance, NO_ROWS } from './counts.ts';
import { Failure } from './errors.ts';
import type { PartRow, StoredFile } from './lease.ts';
import type { RowRange, Snapshot } from './snapshot.ts';

/**
 * A retry of a job that has ended is a job of its own. `complete` scores everything again. `partial` scores what its
 * parent rejected or never came to, and publishes that together with what the parent has: one result of both jobs.
 */
export const RETRY_MODES = ['partial', 'complete'] as const;
export type RetryMode = (typeof RETRY_MODES)[number];

/** What is stored with the specification of a job that is a retry. */
export interface RetryOf {
  /** The job that is tried again. */
  readonly job: string;
  readonly mode: RetryMode;
  /** The job whose published result this one takes the place of; null: none is published. */
  readonly replaces: string | null;
  /** Files with repaired records: only these are scored then, all other rejects stay as they are. */
  readonly repaired: readonly RepairedFile[];
}

/** A file as it was when the retry was submitted. */
export interface RepairedFile {
  /** Absolute. */
  readonly path: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

/**
 * What a partial retry takes over from its parent, in files of its own: settled at pin. Together with the retry's own
 * rows it is each row of the parent once.
 */
export interface RetryBase {
  /** Rows that are answered by what is taken over; `filtered` has no file. */
  readonly counts: Counts;
  readonly parts: readonly TakenFile[];
  readonly rejects: readonly TakenFile[];
  /** What the jobs before this one read, the first one first. */
  readonly inputs: readonly RetryInput[];
}

export interface TakenFile {
  /** The job that made it. */
  readonly jobId: string;
  /** Null: it holds those of the job's rejects that were not tried again. */
  readonly shard: { readonly id: number; readonly attempt: number; readonly range: RowRange } | null;
  readonly file: StoredFile;
}

export interface RetryInput {
  readonly jobId: string;
  readonly rows: number;
  readonly files: readonly Omit<Snapshot['files'][number], 'rowGroups'>[];
}

/** What pin has to know of the job that is tried again. */
export interface RetryParent {
  readonly jobId: string;
  readonly snapshot: Snapshot;
  readonly bound: BoundJob;
  /** Rows of its plan. */
  readonly rows: number;
  readonly parts: readonly PartRow[];
  readonly base: RetryBase | null;
  /** Storage key. */
  readonly workspace: string;
}

/** Files of a job's whole result: those that it took over first, then its own. */
export function wholeFiles(
  kind: 'parts' | 'rejects',
  { jobId, parts, base }: Pick<RetryParent, 'jobId' | 'parts' | 'base'>,
): TakenFile[] {
  const own = parts.flatMap(({ shardId: id, attempt, range, part, rejects }) => {
    const file = kind === 'parts' ? part : rejects;
    return file === null ? [] : [{ jobId, shard: { id, attempt, range }, file }];
  });
  return [...(base?.[kind] ?? []), ...own];
}

/** What became of all rows of a job that have an answer: those it took over and its own. */
export function answeredCounts(own: Counts, base: Pick<RetryBase, 'counts'> | null): Counts {
  return base === null ? own : addCounts(base.counts, own);
}

/** What a retry takes over if it tries `retried` rejects again: all answers of its parent but these. */
export function takenCounts(answered: Counts, retried: number): Counts {
  return { ...answered, read: answered.read - retried, rejected: answered.rejected - retried };
}

/** Rows of the plan that no accepted part covers, in order. */
export function uncoveredRanges(rows: number, accepted: readonly RowRange[]): RowRange[] {
  const gaps: RowRange[] = [];
  let row = 0;
  for (const { start, end } of [...accepted].sort((a, b) => a.start - b.start)) {
    if (start > row) gaps.push({ start: row, end: start });
    row = Math.max(row, end);
  }
  if (row < rows) gaps.push({ start: row, end: rows });
  return gaps;
}

/**
 * What is taken over, as `requireTakenBalances` wants it, and the retry's `ownRows` are the `wholeRows` of the parent. Fails
 * with ACCOUNTING.
 */
export function requireBaseBalances(base: TakenOver, ownRows: number, wholeRows: number): void {
  requireTakenBalances(base);
  if (base.counts.read + ownRows === wholeRows) return;
  throw new Failure(
    'ACCOUNTING',
    `The ${base.counts.read} rows that are taken over and the ${ownRows} rows to be scored are not the ${wholeRows} rows of the job that is tried again.`,
  );
}

type TakenOver = Pick<RetryBase, 'counts' | 'parts' | 'rejects'>;

/** The files taken over hold the rows that are counted, and these add up. Fails with ACCOUNTING. */
export function requireTakenBalances({ counts, parts, rejects }: TakenOver): void {
  const sum = (files: readonly TakenFile[]) => files.reduce((rows, { file }) => rows + file.rows, 0);
  const isWhole = Object.values(counts).every((count) => Number.isSafeInteger(count) && count >= 0);
  const balances =
    isWhole && countsBalance(counts) && sum(parts) === counts.scored && sum(rejects) === counts.rejected;
  if (balances) return;
  throw new Failure(
    'ACCOUNTING',
    `What is taken over does not add up: ${counts.read} rows, of which ${counts.scored} scored, ${counts.rejected} rejected, ${counts.filtered} filtered, and in files ${sum(parts)} scored, ${sum(rejects)} rejected.`,
  );
}

export function countsOfParts(parts: readonly PartRow[]): Counts {
  return parts.reduce((sum, { counts }) => addCounts(sum, counts), NO_ROWS);
}
