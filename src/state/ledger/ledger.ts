import type { Counts } from '../../core/counts.ts';
import type { FailureReport } from '../../core/errors.ts';
import type {
  AttemptFailure,
  Completion,
  Lease,
  LeaseRef,
  PartRow,
  Progress,
  PublishedInput,
  RenewAnswer,
  TaskFailure,
  TaskLease,
  TaskRef,
  Timings,
} from '../../core/lease.ts';
import type { ModelUse } from '../../core/model-version.ts';
import type { RetryBase } from '../../core/retry.ts';
import type { RowRange, Snapshot } from '../../core/snapshot.ts';
import type { JobState, ShardState } from '../../core/states.ts';

/**
 * The durable record of jobs, shards and attempts, and its verbs. Every verb takes a tenant, is one transaction, and has
 * happened, durably, when its promise resolves. `docs/ledger-spec.md` is the specification.
 *
 * Time comes in as `nowMs` (wall clock, kept for people) and `tickMs` (monotonic, leases are reckoned in it).
 */
export interface Ledger extends AsyncDisposable {
  submit(input: SubmitInput): Promise<SubmitOutcome>;
  /** What the request with this idempotency key was answered; null: there was none. */
  submission(tenant: string, idempotencyKey: string): Promise<SubmissionRow | null>;
  /** Of all jobs of all tenants together. */
  stats(): Promise<LedgerStats>;
  /** What the latest completed jobs with this model took; null: there are none. */
  throughput(tenant: string, modelSha256: string): Promise<Throughput | null>;
  job(tenant: string, jobId: string): Promise<JobRow | null>;
  jobs(tenant: string, filter: JobFilter): Promise<JobRow[]>;
  /** Jobs of all tenants that are not in a terminal state, oldest first: what the dispatch loop works on. */
  openJobs(): Promise<JobRow[]>;
  snapshot(tenant: string, jobId: string): Promise<Snapshot | null>;
  /** What a partial retry takes over from the job it tries again; null: nothing, or not known yet. */
  retryBase(tenant: string, jobId: string): Promise<RetryBase | null>;
  shards(tenant: string, jobId: string): Promise<ShardRow[]>;
  /** Accepted parts with rows, in order of the snapshot. */
  parts(tenant: string, jobId: string): Promise<PartRow[]>;
  events(tenant: string, jobId: string, afterSeq: number, limit: number): Promise<EventRow[]>;

  // tasks: pin (state preparing), then audit and publish (state completing), under a job-level lease with its own fence
  claimTask(input: ClaimTaskInput): Promise<TaskLease | null>;
  renewTask(lease: TaskRef, time: Time, leaseMs: number): Promise<'held' | 'lost'>;
  /** Pin is done: stores snapshot, bound model and shards, moves the job to running (or completing, if there are no shards). */
  plan(lease: TaskRef, plan: PlanInput, time: Time): Promise<'accepted' | 'fenced'>;
  /** Audit is done: publish may begin. From here on the job can no longer be cancelled. */
  audited(lease: TaskRef, checks: unknown, time: Time): Promise<'accepted' | 'fenced'>;
  /** Publish is done: the job is completed. Refused (ACCOUNTING) if the accepted ranges do not tile the snapshot or the counts do not balance. */
  published(lease: TaskRef, result: PublishedInput, time: Time): Promise<'accepted' | 'fenced'>;
  failTask(lease: TaskRef, failure: TaskFailure, time: Time): Promise<'retrying' | 'failed' | 'fenced'>;

  // shards
  /** The same requestId gets the same lease, as long as it lives. */
  claim(input: ClaimInput): Promise<Lease | null>;
  renew(lease: LeaseRef, progress: Progress, time: Time, leaseMs: number): Promise<RenewAnswer>;
  /** Careful mode: the rows about to be given to the model, written down before the call. */
  suspect(lease: LeaseRef, range: RowRange | null, time: Time): Promise<'noted' | 'fenced'>;
  /** Accepts the part of the whole leased range. The same completion again is accepted again. */
  complete(lease: LeaseRef, completion: Completion, time: Time): Promise<'accepted' | 'fenced'>;
  /** Accepts [start, completion.range.end) as a shard of its own; the rest goes back to ready as a new shard. Costs no retry. */
  split(lease: LeaseRef, completion: Completion, time: Time): Promise<'accepted' | 'fenced'>;
  /** Gives the lease back untouched. Costs no retry. */
  release(lease: LeaseRef, time: Time): Promise<'released' | 'fenced'>;
  fail(lease: LeaseRef, failure: AttemptFailure, time: Time): Promise<'retrying' | 'exhausted' | 'fenced'>;

  // upkeep
  /** Frees what has expired. Returns how many leases were taken back. */
  reap(time: Time): Promise<number>;
  /** The worker is known to be dead (its process is gone): frees its leases at once, as failed attempts. */
  workerDied(worker: string, failure: FailureReport, time: Time): Promise<number>;
  /** The worker ended together with its manager: gives back what it held, and counts nothing. */
  workerAbandoned(worker: string, time: Time): Promise<number>;
  /**
   * At start of a manager, before any other verb: gives each living lease, also of tasks, one more lease time, as nobody could
   * renew while there was no manager. Returns each worker once per job.
   */
  recover(time: Time, leaseMs: number): Promise<LiveLease[]>;
  cancel(
    tenant: string,
    jobId: string,
    time: Time,
  ): Promise<'cancelled' | 'publishing' | 'finished' | 'unknown'>;
  /** False: no such job, or it has ended, or publish has begun (then only the publish task can end it). */
  failJob(tenant: string, jobId: string, failure: FailureReport, time: Time): Promise<boolean>;
  /** Finished jobs whose staging may be removed: older than their time limit, not cleaned yet, and no unfinished retry needs it. */
  expired(time: Time): Promise<{ tenant: string; jobId: string }[]>;
  cleaned(tenant: string, jobId: string, time: Time): Promise<void>;
}

export interface Time {
  readonly nowMs: number;
  readonly tickMs: number;
}

export interface SubmitInput {
  readonly tenant: string;
  readonly jobId: string;
  readonly name: string;
  readonly owner: string | null;
  /** Hash of tenant + specification without its execution settings + destination: how an unfinished job is found again. */
  readonly identity: string;
  /** Normalised destination; at most one unfinished job per destination. */
  readonly destination: string;
  /** The resolved specification (JSON). */
  readonly spec: unknown;
  readonly modelSha256: string;
  /** The version of the registry's that it is; null for a model that is a file. */
  readonly model: ModelUse | null;
  readonly retryCount: number;
  /** Rejects allowed: a count, or a share of the snapshot's rows. */
  readonly errorBudget: { readonly count: number } | { readonly share: number };
  /** Cancel an unfinished job of the same identity and start over. */
  readonly fresh: boolean;
  /**
   * Give an unfinished job of the same identity these execution settings: an object whose keys replace the keys of the
   * stored specification's top level (`{ config: ... }`). `retryCount`, `errorBudget` and `keepStagingMs` are taken from
   * this call too.
   */
  readonly resumeSettings: unknown;
  readonly keepStagingMs: number;
  /**
   * The job that is tried again: it has to have ended, and, where its files are taken over, to have them still. Absent:
   * the job is no retry. Fails with JOB_NOT_FOUND, JOB_UNFINISHED, RETRY_EXPIRED.
   */
  readonly retryOf?: { readonly jobId: string; readonly takesOver: boolean };
  /**
   * The caller's key for this request: the same again gets the same answer, with another body it is refused
   * (IDEMPOTENCY_CONFLICT). `said`: what the answer holds beside the job (JSON).
   */
  readonly idempotency?: { readonly key: string; readonly bodySha256: string; readonly said: unknown };
  readonly time: Time;
}

export type SubmitOutcome =
  | { readonly kind: 'created'; readonly job: JobRow }
  /** An unfinished job of the same identity exists: it goes on. */
  | { readonly kind: 'resumed'; readonly job: JobRow }
  | { readonly kind: 'busy'; readonly by: JobRow }
  /** The request was answered before. */
  | { readonly kind: 'repeated'; readonly answer: SubmissionRow['answer'] };

export interface SubmissionRow {
  readonly bodySha256: string;
  readonly answer: {
    readonly jobId: string;
    /** As it was then. */
    readonly state: JobState;
    readonly resumed: boolean;
    readonly said: unknown;
  };
}

export interface LedgerStats {
  readonly jobs: Partial<Readonly<Record<JobState, number>>>;
  /** When the oldest job that still waits was submitted; null: none waits. */
  readonly oldestSubmittedMs: number | null;
  /** Rows of accepted shards. */
  readonly rows: { readonly scored: number; readonly rejected: number; readonly filtered: number };
  readonly retries: number;
  readonly leases: number;
}

export interface Throughput {
  /** While scoring, with the workers that there were. */
  readonly msPerRow: number;
  /** Of a job beside scoring: waiting, pinning, auditing, publishing. */
  readonly fixedMs: number;
}

/** Each absent part lets everything through. */
export interface JobFilter {
  readonly states?: readonly JobState[];
  /** Part of the name, in any letter case. */
  readonly name?: string;
  /** Created at this time (epoch ms) or later. */
  readonly sinceMs?: number;
  /** Beginning of the id. */
  readonly idPrefix?: string;
  /** Only those that come after this one in the list. */
  readonly after?: { readonly createdMs: number; readonly jobId: string };
  readonly limit: number;
}

export interface JobRow {
  readonly tenant: string;
  readonly jobId: string;
  readonly name: string;
  readonly owner: string | null;
  readonly state: JobState;
  readonly identity: string;
  readonly destination: string;
  readonly spec: unknown;
  readonly modelSha256: string;
  /** Null: the model is a file. */
  readonly model: ModelUse | null;
  /** What pin settled about the model: signature and binding (JSON). Null before. */
  readonly bound: unknown;
  readonly totalRows: number | null;
  /** Rows of accepted shards. */
  readonly counts: Counts;
  readonly shards: { readonly total: number; readonly accepted: number; readonly leased: number };
  /** What living leases last said they had done, not accepted yet: for progress bars only. */
  readonly inFlight: Progress;
  /** Attempts that failed and were repeated. */
  readonly retries: number;
  readonly rejectLimit: number | null;
  readonly error: FailureReport | null;
  readonly checks: unknown;
  readonly published: PublishedInput | null;
  /** Epoch ms of entering each state; the last entry counts where a state was entered again. */
  readonly stateTimes: Partial<Record<JobState, number>>;
  /** Sum over accepted shards of what workers measured, in ms. */
  readonly timings: Timings;
  readonly firstClaimMs: number | null;
  readonly lastCompleteMs: number | null;
  readonly createdMs: number;
  readonly resumes: number;
  /** The job that this one tries again. */
  readonly retryOf: string | null;
  /** Rows that it takes over from there, beside its own; null: none. */
  readonly takenOver: Counts | null;
}

export interface ShardRow {
  readonly shardId: number;
  readonly range: RowRange;
  readonly state: ShardState;
  readonly attempt: number;
  readonly failures: number;
  readonly worker: string | null;
}

export interface EventRow {
  readonly seq: number;
  readonly atMs: number;
  readonly type: string;
  readonly data: unknown;
}

export interface ClaimTaskInput {
  readonly worker: string;
  readonly tenant: string;
  readonly jobId: string;
  readonly requestId: string;
  readonly leaseMs: number;
  readonly time: Time;
}

export interface PlanInput {
  readonly snapshot: Snapshot;
  readonly bound: unknown;
  readonly shards: readonly RowRange[];
  /** Of a partial retry. Refused (ACCOUNTING) unless it and the shards' rows are the rows of the job that is tried again. */
  readonly base?: RetryBase;
}

export interface ClaimInput {
  readonly tenant: string;
  readonly jobId: string;
  readonly worker: string;
  readonly requestId: string;
  readonly leaseMs: number;
  readonly time: Time;
}

export interface LiveLease {
  readonly worker: string;
  readonly jobId: string;
  readonly tenant: string;
}
