import type { BoundJob } from './bound.ts';
import type { Counts } from './counts.ts';
import type { FailureReport } from './errors.ts';
import type { Lease, PartRow, PublishedInput, TaskLease, Timings } from './lease.ts';
import type { ModelUse, ModelVersion } from './model-version.ts';
import type { RetryBase, RetryMode, RetryOf, RetryParent } from './retry.ts';
import type { Snapshot, SourceColumn } from './snapshot.ts';
import type { JobState, ShardState } from './states.ts';

/** The HTTP protocol's bodies: between command line, workers, tasks and the manager there is nothing else. */

/** A job as the API shows it. Times are ISO 8601, durations milliseconds. */
export interface JobStatus {
  readonly job_id: string;
  readonly name: string;
  readonly tenant: string;
  readonly owner: string | null;
  readonly status: JobState;
  readonly progress: {
    readonly total_rows: number | null;
    readonly processed_rows: number;
    readonly percentage: number;
  };
  /** Rows of accepted shards. */
  readonly counts: Counts;
  readonly shards: { readonly total: number; readonly accepted: number; readonly leased: number };
  readonly retries: number;
  readonly resumes: number;
  readonly workers: number;
  readonly created_at: string;
  readonly started_at: string | null;
  readonly finished_at: string | null;
  readonly estimated_completion: string | null;
  /** Time spent in each state so far. */
  readonly state_ms: Partial<Record<JobState, number>>;
  /** From the first claim to the last completion. */
  readonly scoring_ms: number | null;
  readonly timings: Timings;
  readonly settings: EffectiveSettings | null;
  readonly model: {
    /** As the specification says it. */
    readonly reference: string;
    readonly sha256: string;
    /** Null: the model is a file. */
    readonly registered: ModelUse | null;
  };
  readonly output: {
    readonly location: string;
    readonly mode: string;
    readonly published: PublishedInput | null;
  };
  /** Null: the job is no retry. */
  readonly retry: {
    readonly of: string;
    readonly mode: RetryMode;
    /** Rows of the whole result: those taken over, and this job's own; null: nothing is taken over. */
    readonly whole: Counts | null;
  } | null;
  readonly warnings: readonly string[];
  /** `cause` is `message`: code, cause and next step. */
  readonly error: (FailureReport & { readonly cause: string }) | null;
}

/** What the job's limits came to on this machine. */
export interface EffectiveSettings {
  readonly workers: number;
  readonly memory_mb_per_worker: number;
  readonly threads_per_worker: number;
  readonly batch_size: number;
}

/** A job with what it was asked to do and where its files lie: for looking at one job. */
export interface JobDetail {
  readonly job: JobStatus;
  /** The resolved specification. */
  readonly specification: unknown;
  readonly model_sha256: string;
  /** Null until the input is pinned. */
  readonly input: {
    readonly files: number;
    readonly size_bytes: number;
    readonly columns: readonly SourceColumn[];
    /** The key column, as the input spells it; null: file and row number are the key. */
    readonly key: string | null;
  } | null;
  /** Staged files of accepted shards, in order of the input: storage keys. After the time limit of the staging they are gone. */
  readonly staged_rejects: readonly { readonly key: string; readonly rows: number }[];
  /** The log of its workers and tasks, on the manager's machine. */
  readonly log_file: string;
}

/** A range of rows that is scored at once. */
export interface ShardView {
  readonly shard: number;
  readonly first_row: number;
  /** The row after the last. */
  readonly end_row: number;
  readonly state: ShardState;
  readonly attempt: number;
  readonly failures: number;
  readonly worker: string | null;
}

/** Something that happened to a job; events of a job are numbered from 1 without gaps. */
export interface EventView {
  readonly seq: number;
  readonly at: string;
  readonly type: string;
  readonly data: unknown;
}

/** Each absent part lets everything through. */
export interface JobListFilter {
  readonly limit: number;
  readonly states?: readonly JobState[];
  /** Part of the name, in any letter case. */
  readonly name?: string;
  /** Created at this time (epoch ms) or later. */
  readonly sinceMs?: number;
  /** Beginning of the id. */
  readonly idPrefix?: string;
  /** Only those that come after this one in the list. */
  readonly after?: { readonly createdMs: number; readonly jobId: string };
}

export interface SubmitAnswer {
  readonly job_id: string;
  readonly status: JobState;
  /** True: an unfinished job of the same identity goes on. */
  readonly resumed: boolean;
  /** By what earlier jobs with the same model took; null: there were none, or the rows are not known (yet). */
  readonly estimated_duration_minutes: number | null;
  /** Null: not known before the input is pinned. */
  readonly input_row_count: number | null;
}

/** What a worker has to know about its job, once. */
export interface WorkerContext {
  readonly tenant: string;
  readonly jobId: string;
  readonly snapshot: Snapshot;
  readonly bound: BoundJob;
  readonly onNull: 'reject' | 'nan' | number;
  readonly allowNonFinite: boolean;
  /** Storage key below which parts are staged. */
  readonly stagingPrefix: string;
  readonly batchSize: number;
  readonly batchTimeoutMs: number;
  readonly leaseMs: number;
  readonly threads: number;
  readonly memoryMb: number;
}

export type WorkerContextAnswer =
  | { readonly kind: 'context'; readonly context: WorkerContext }
  /** The job is not planned yet: ask again. */
  | { readonly kind: 'wait' }
  /** There is no more work in this job: exit. */
  | { readonly kind: 'done' };

export type ClaimAnswer =
  | { readonly kind: 'lease'; readonly lease: Lease }
  | { readonly kind: 'wait' }
  | { readonly kind: 'done' };

/** Work on a whole job, with all that the task needs. */
export interface TaskWork {
  readonly lease: TaskLease;
  readonly leaseMs: number;
  readonly job: TaskJob;
}

export interface TaskJob {
  readonly tenant: string;
  readonly jobId: string;
  readonly name: string;
  readonly owner: string | null;
  /** The resolved specification. */
  readonly spec: unknown;
  readonly modelSha256: string;
  /** The version of the registry's that the job uses, and the alias it came by. Null: the model is a file. */
  readonly registered: { readonly model: ModelVersion; readonly alias: string | null } | null;
  readonly adopt: boolean;
  /** Null: it is no retry. */
  readonly retry: TaskRetry | null;
  readonly createdMs: number;
  readonly firstClaimMs: number | null;
  readonly lastCompleteMs: number | null;
  readonly counts: Counts;
  readonly checks: unknown;
  readonly resumes: number;
  readonly retries: number;
  /** Null while the job is not pinned. */
  readonly pinned: {
    readonly snapshot: Snapshot;
    readonly bound: BoundJob;
    readonly parts: readonly PartRow[];
  } | null;
  /** Storage key of the job's workspace: staging lies below it. */
  readonly workspace: string;
  /** Storage key: where the model's files are put, or where those of a registered model lie. */
  readonly modelStore: string;
}

export interface TaskRetry extends RetryOf {
  /** Of a partial retry, before it is pinned. */
  readonly parent: RetryParent | null;
  /** What a partial retry takes over, once it is pinned. */
  readonly base: RetryBase | null;
}

export type TaskAnswer =
  | { readonly kind: 'task'; readonly work: TaskWork }
  | { readonly kind: 'wait' }
  | { readonly kind: 'done' };
