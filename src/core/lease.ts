import type { Counts } from './counts.ts';
import type { FailureReport } from './errors.ts';
import type { RowRange } from './snapshot.ts';
import type { TaskKind } from './states.ts';

/**
 * What workers and tasks say to the manager, and hear from it, about the work they hold. These are also the arguments
 * of the ledger's verbs.
 */

export interface StoredFile {
  /** Storage key. */
  readonly key: string;
  readonly rows: number;
  readonly sizeBytes: number;
  readonly sha256: string;
}

export interface TaskRef {
  readonly tenant: string;
  readonly jobId: string;
  /** Job-level fencing token. */
  readonly fence: number;
}

export interface TaskLease extends TaskRef {
  readonly kind: TaskKind;
}

export interface LeaseRef {
  readonly tenant: string;
  readonly jobId: string;
  readonly shardId: number;
  /** Fencing token: grows with each claim of a row range, over restarts and splits. */
  readonly attempt: number;
}

export interface Lease extends LeaseRef {
  readonly range: RowRange;
  /** Note each batch's rows (`suspect`) before giving them to the model. */
  readonly careful: boolean;
  /** The single row of this shard is to be rejected without asking the model, with this code. */
  readonly condemned: FailureReport | null;
  /** Rejects that the job can still take; the worker stops when its own exceed it. */
  readonly rejectsLeft: number;
}

export interface Progress {
  /** Rows of the range done so far by this attempt (not yet accepted). */
  readonly rows: number;
  readonly rejected: number;
}

/** 'until': stop early at this row (work stealing, drain): finish it by `split`. */
export type RenewAnswer = 'held' | 'lost' | { readonly until: number };

export interface Completion {
  readonly range: RowRange;
  readonly counts: Counts;
  readonly part: StoredFile | null;
  readonly rejects: StoredFile | null;
  readonly timings: Timings;
  /** First few rejects, for the message when the error budget is exceeded. */
  readonly sampleRejects: readonly {
    readonly key: string;
    readonly code: string;
    readonly message: string;
  }[];
}

export interface AttemptFailure {
  readonly report: FailureReport;
  /** Rows in the model when it happened, if known: the shard is cut there. */
  readonly suspect: { readonly start: number; readonly end: number } | null;
  /** True: trying again cannot help, the job fails. */
  readonly permanent: boolean;
}

export interface TaskFailure {
  readonly report: FailureReport;
  /** 'job': fails the job at once; 'shard': may be tried again, up to retryCount. */
  readonly permanent: boolean;
}

export interface Timings {
  readonly readMs: number;
  readonly modelMs: number;
  readonly writeMs: number;
}

export interface PublishedInput {
  readonly location: string;
  readonly manifest: string;
  readonly manifestSha256: string;
}

/** An accepted shard with its files. */
export interface PartRow {
  readonly shardId: number;
  readonly attempt: number;
  readonly range: RowRange;
  readonly counts: Counts;
  readonly part: StoredFile | null;
  readonly rejects: StoredFile | null;
}
