import type { Counts } from '../../core/counts.ts';
import { Failure, type FailureReport } from '../../core/errors.ts';
import type { Completion, Lease, LeaseRef, TaskLease } from '../../core/lease.ts';
import type { RowRange } from '../../core/snapshot.ts';
import type { Ledger, PlanInput, SubmitInput, Time } from './ledger.ts';

/** What the ledger's tests share: a job whose rows have fixed fates, so that every count can be foretold. */

export const LEASE_MS = 1_000;
export const START: Time = { nowMs: 1_000_000, tickMs: 10 };
export const PUBLISHED = { location: 'scores/', manifest: '_manifest.json', manifestSha256: 'ab' };
export const NO_FILES = { readMs: 1, modelMs: 2, writeMs: 3 };

export function later(time: Time, ms: number): Time {
  return { nowMs: time.nowMs + ms, tickMs: time.tickMs + ms };
}

export function submission(overrides: Partial<SubmitInput> = {}): SubmitInput {
  return {
    tenant: 'default',
    jobId: 'job-1',
    name: 'churn',
    owner: null,
    identity: 'identity-1',
    destination: 'scores/',
    spec: { name: 'churn', config: { parallelism: 1 } },
    modelSha256: 'm1',
    model: null,
    retryCount: 3,
    errorBudget: { share: 1 },
    fresh: false,
    resumeSettings: { config: { parallelism: 4 } },
    keepStagingMs: 5_000,
    time: START,
    ...overrides,
  };
}

export function planOf(...cuts: number[]): PlanInput {
  const rows = cuts.at(-1) ?? 0;
  const identity = { sizeBytes: 7, mtimeNs: '1700000000123456789', footerSha256: 'f' };
  return {
    snapshot: {
      files: [{ key: 'in/a.parquet', identity, rows, rowGroups: rows === 0 ? [] : [rows] }],
      columns: [{ name: 'id', type: 'BIGINT', neverNull: true }],
      rows,
    },
    bound: { binding: { inputs: [], outputs: [] } },
    shards: cuts.map((end, index) => ({ start: index === 0 ? 0 : (cuts[index - 1] as number), end })),
  };
}

/** Every 5th row is filtered, every 7th of the others rejected. */
export function countsOf(range: RowRange): Counts {
  const counts = { read: 0, scored: 0, rejected: 0, filtered: 0 };
  for (let row = range.start; row < range.end; row += 1) {
    counts.read += 1;
    if (row % 5 === 4) counts.filtered += 1;
    else if (row % 7 === 3) counts.rejected += 1;
    else counts.scored += 1;
  }
  return counts;
}

export function completionOf(range: RowRange, counts: Counts = countsOf(range)): Completion {
  const file = (kind: string, rows: number) =>
    rows === 0
      ? null
      : { key: `${kind}/${range.start}-${range.end}`, rows, sizeBytes: rows * 8, sha256: 'c' };
  return {
    range,
    counts,
    part: file('parts', counts.scored),
    rejects: file('rejects', counts.rejected),
    timings: NO_FILES,
    sampleRejects:
      counts.rejected === 0
        ? []
        : [{ key: `key-${range.start}`, code: 'NULL_FEATURE', message: 'x is null' }],
  };
}

export const CRASH: FailureReport = new Failure('WORKER_LOST', 'exit code 139').toJSON();
export const STORAGE: FailureReport = new Failure('STORAGE_FAILED', 'read error').toJSON();

let requests = 0;
export function freshRequest(): string {
  requests += 1;
  return `request-${requests}`;
}

export function claimTask(ledger: Ledger, time: Time, worker = 'task-1'): Promise<TaskLease | null> {
  const request = { worker, requestId: freshRequest(), leaseMs: LEASE_MS, time };
  return ledger.claimTask({ tenant: 'default', jobId: 'job-1', ...request });
}

export function claim(ledger: Ledger, time: Time, worker = 'worker-1'): Promise<Lease | null> {
  const request = { worker, requestId: freshRequest(), leaseMs: LEASE_MS, time };
  return ledger.claim({ tenant: 'default', jobId: 'job-1', ...request });
}

export async function claimed(ledger: Ledger, time: Time, worker = 'worker-1'): Promise<Lease> {
  return present(await claim(ledger, time, worker));
}

export function present<Value>(value: Value | null | undefined): Value {
  if (value === null || value === undefined) throw new Error('expected a value, found none');
  return value;
}

/** A job in `running` with shards that end at `cuts`. */
export async function runningJob(
  ledger: Ledger,
  cuts: number[],
  overrides: Partial<SubmitInput> = {},
): Promise<TaskLease> {
  const input = submission(overrides);
  await ledger.submit(input);
  const request = { worker: `pin-${input.jobId}`, requestId: freshRequest(), leaseMs: LEASE_MS, time: START };
  const pin = present(await ledger.claimTask({ tenant: input.tenant, jobId: input.jobId, ...request }));
  await ledger.plan(pin, planOf(...cuts), START);
  return pin;
}

/** Everything that can be seen of a job, to tell whether anything changed. */
export async function everythingOf(ledger: Ledger, tenant: string, jobId: string): Promise<string> {
  return JSON.stringify([
    await ledger.job(tenant, jobId),
    await ledger.shards(tenant, jobId),
    await ledger.parts(tenant, jobId),
    await ledger.snapshot(tenant, jobId),
    await ledger.events(tenant, jobId, 0, 100_000),
  ]);
}

export async function isLive(ledger: Ledger, lease: LeaseRef): Promise<boolean> {
  const shards = await ledger.shards(lease.tenant, lease.jobId);
  return shards.some(
    (shard) => shard.shardId === lease.shardId && shard.attempt === lease.attempt && shard.state === 'leased',
  );
}
