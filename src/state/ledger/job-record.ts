import type { FailureReport } from '../../core/errors.ts';
import type { PublishedInput } from '../../core/lease.ts';
import type { ModelUse } from '../../core/model-version.ts';
import type { JobState, TaskKind } from '../../core/states.ts';
import type { JobRow } from './ledger.ts';
import { takenOver } from './retry-base.ts';
import type { Transaction } from './transaction.ts';

/** The table `job`, column by column. */
export interface JobRecord {
  readonly tenant: string;
  readonly job_id: string;
  readonly name: string;
  readonly owner: string | null;
  readonly state: JobState;
  readonly identity: string;
  readonly destination: string;
  readonly spec: string;
  readonly model_sha256: string;
  readonly retry_count: number;
  readonly error_budget: string;
  readonly reject_limit: number | null;
  readonly keep_staging_ms: number;
  readonly bound: string | null;
  readonly total_rows: number | null;
  readonly rows_read: number;
  readonly rows_scored: number;
  readonly rows_rejected: number;
  readonly rows_filtered: number;
  readonly shards_total: number;
  readonly shards_accepted: number;
  readonly next_shard_id: number;
  readonly retries: number;
  readonly resumes: number;
  readonly read_ms: number;
  readonly model_ms: number;
  readonly write_ms: number;
  readonly error: string | null;
  readonly checks: string | null;
  readonly published: string | null;
  readonly state_times: string;
  readonly created_ms: number;
  readonly ended_ms: number | null;
  readonly cleaned_ms: number | null;
  readonly first_claim_ms: number | null;
  readonly last_complete_ms: number | null;
  readonly task_fence: number;
  readonly task_kind: TaskKind | null;
  readonly task_worker: string | null;
  readonly task_request_id: string | null;
  readonly task_until: number | null;
  readonly task_not_before: number | null;
  readonly task_failures: number;
  readonly planned_fence: number | null;
  readonly audited_fence: number | null;
  readonly published_fence: number | null;
  readonly retry_of: string | null;
}

export function jobRecord(tx: Transaction, tenant: string, jobId: string): Promise<JobRecord | undefined> {
  return tx.get<JobRecord>('SELECT * FROM job WHERE tenant = ? AND job_id = ?', tenant, jobId);
}

/** For jobs that are known to exist, because a row that refers to them does. */
export async function existingJob(tx: Transaction, tenant: string, jobId: string): Promise<JobRecord> {
  const job = await jobRecord(tx, tenant, jobId);
  if (job === undefined) throw new Error(`job ${jobId} is referred to and does not exist`);
  return job;
}

export async function toJobRow(tx: Transaction, job: JobRecord): Promise<JobRow> {
  const leased = await tx.get<{ leases: number; rows: number; rejected: number }>(
    `SELECT COUNT(*) AS leases, COALESCE(SUM(progress_rows), 0) AS rows, COALESCE(SUM(progress_rejected), 0) AS rejected
       FROM shard WHERE tenant = ? AND job_id = ? AND state = 'leased'`,
    job.tenant,
    job.job_id,
  );
  return {
    tenant: job.tenant,
    jobId: job.job_id,
    name: job.name,
    owner: job.owner,
    state: job.state,
    identity: job.identity,
    destination: job.destination,
    spec: JSON.parse(job.spec),
    modelSha256: job.model_sha256,
    model: await modelUse(tx, job),
    bound: fromJson(job.bound),
    totalRows: job.total_rows,
    counts: {
      read: job.rows_read,
      scored: job.rows_scored,
      rejected: job.rows_rejected,
      filtered: job.rows_filtered,
    },
    shards: { total: job.shards_total, accepted: job.shards_accepted, leased: leased?.leases ?? 0 },
    inFlight: { rows: leased?.rows ?? 0, rejected: leased?.rejected ?? 0 },
    retries: job.retries,
    rejectLimit: job.reject_limit,
    error: fromJson(job.error) as FailureReport | null,
    checks: fromJson(job.checks),
    published: fromJson(job.published) as PublishedInput | null,
    stateTimes: JSON.parse(job.state_times) as Partial<Record<JobState, number>>,
    timings: { readMs: job.read_ms, modelMs: job.model_ms, writeMs: job.write_ms },
    firstClaimMs: job.first_claim_ms,
    lastCompleteMs: job.last_complete_ms,
    createdMs: job.created_ms,
    resumes: job.resumes,
    retryOf: job.retry_of,
    takenOver: job.retry_of === null ? null : await takenOver(tx, job),
  };
}

/** The version of the registry's that a job uses. */
export async function modelUse(tx: Transaction, job: JobRecord): Promise<ModelUse | null> {
  const use = await tx.get<ModelUse>(
    'SELECT name, version, alias FROM job_model WHERE tenant = ? AND job_id = ?',
    job.tenant,
    job.job_id,
  );
  return use ?? null;
}

/** Publish has begun, or may have: its outcome is unknown until the publish task says so. */
export function isPublishing(job: JobRecord): boolean {
  return job.state === 'completing' && job.audited_fence !== null;
}

function fromJson(text: string | null): unknown {
  return text === null ? null : JSON.parse(text);
}
