import type { AttemptReports } from '../core/attempt-reports.ts';
import type { BoundJob } from '../core/bound.ts';
import { ERROR_CODES } from '../core/error-codes.ts';
import type { FailureReport } from '../core/errors.ts';
import type { LeaseRef, Progress, RenewAnswer } from '../core/lease.ts';
import { isTerminal } from '../core/states.ts';
import type { ClaimAnswer, WorkerContextAnswer } from '../core/wire.ts';
import type { Metrics } from '../observe/metrics.ts';
import type { JobRow } from '../state/ledger/ledger.ts';
import { effectiveSettings } from './effective-settings.ts';
import { workspaceOf } from './layout.ts';
import type { LongPoll } from './long-poll.ts';
import type { ManagerDeps } from './manager-deps.ts';
import type { RunningJob, RunningJobs } from './running-jobs.ts';
import type { StoredSpec } from './submit.ts';
import { timeOf } from './time-of.ts';

/** A worker or task, by its token; `gone` is aborted when it has hung up. */
export interface Asker {
  readonly tenant: string;
  readonly jobId: string;
  readonly gone: AbortSignal;
}

/** What workers may ask, one method for each route. The job is that of the worker's token. */
export interface WorkerService extends AttemptReports {
  context(asker: Asker): Promise<WorkerContextAnswer>;
  claim(asker: Asker, worker: string, requestId: string): Promise<ClaimAnswer>;
  renew(lease: LeaseRef, progress: Progress): Promise<RenewAnswer>;
  startFailed(tenant: string, jobId: string, worker: string, report: FailureReport): Promise<void>;
}

export function createWorkerService(
  deps: ManagerDeps,
  running: RunningJobs,
  longPoll: LongPoll,
): WorkerService {
  const { ledger, clock, changes, settings, metrics } = deps;

  const over = (job: JobRow) => isTerminal(job.state) || job.state === 'completing';

  /** When leases were granted by this manager, by job, shard and attempt; what is lost on the way is forgotten in time. */
  const granted = new Map<string, number>();
  const began = (lease: LeaseRef) => {
    granted.set(nameOf(lease), clock.monotonicMs());
    const [oldest] = granted.keys();
    if (granted.size > KEPT_LEASES && oldest !== undefined) granted.delete(oldest);
  };

  /** The lease is over, one way or the other. */
  const ended = (lease: LeaseRef, outcome: Parameters<Metrics['leaseEnded']>[0]) => {
    const sinceMs = granted.get(nameOf(lease));
    granted.delete(nameOf(lease));
    if (sinceMs !== undefined) metrics.leaseEnded(outcome, clock.monotonicMs() - sinceMs);
    running.get(lease.jobId)?.progress.delete(lease.shardId);
    changes.changed(lease.jobId);
  };

  return {
    context: (asker) =>
      longPoll({
        ...asker,
        over,
        async ask(job) {
          if (job.state !== 'running') return null;
          return { kind: 'context', context: await workerContext(job, running.get(job.jobId), deps) };
        },
      }),

    claim: (asker, worker, requestId) =>
      longPoll({
        ...asker,
        over,
        async ask({ tenant, jobId }) {
          const known = running.get(jobId);
          known?.readyWorkers.add(worker);
          if (known !== undefined) known.startFailures = 0;
          const lease = await ledger.claim({
            tenant,
            jobId,
            worker,
            requestId,
            leaseMs: settings.leaseMs,
            time: timeOf(clock),
          });
          if (lease === null) return null;
          began(lease);
          return { kind: 'lease', lease };
        },
      }),

    async renew(lease, progress) {
      const answer = await ledger.renew(lease, progress, timeOf(clock), settings.leaseMs);
      if (answer !== 'lost') running.get(lease.jobId)?.progress.set(lease.shardId, progress);
      return answer;
    },

    suspect: (lease, range) => ledger.suspect(lease, range, timeOf(clock)),

    async complete(lease, completion) {
      const answer = await ledger.complete(lease, completion, timeOf(clock));
      ended(lease, 'completed');
      return answer;
    },

    async split(lease, completion) {
      const answer = await ledger.split(lease, completion, timeOf(clock));
      ended(lease, 'split');
      return answer;
    },

    async release(lease) {
      const answer = await ledger.release(lease, timeOf(clock));
      ended(lease, 'released');
      return answer;
    },

    async fail(lease, failure) {
      const answer = await ledger.fail(lease, failure, timeOf(clock));
      ended(lease, 'failed');
      return answer;
    },

    async startFailed(tenant, jobId, worker, report) {
      deps.log.warn({ jobId, worker, code: report.code }, `worker could not start: ${report.message}`);
      // Another worker would meet the same model and the same packages.
      if (ERROR_CODES[report.code].scope === 'job')
        await ledger.failJob(tenant, jobId, report, timeOf(clock));
      changes.changed(jobId);
    },
  };
}

/** More than a manager grants at once. */
const KEPT_LEASES = 100_000;

function nameOf({ jobId, shardId, attempt }: LeaseRef): string {
  return `${jobId} ${shardId} ${attempt}`;
}

async function workerContext(
  job: JobRow,
  running: RunningJob | undefined,
  { ledger, compute, settings }: ManagerDeps,
): Promise<Extract<WorkerContextAnswer, { kind: 'context' }>['context']> {
  const { spec } = job.spec as StoredSpec;
  const snapshot = await ledger.snapshot(job.tenant, job.jobId);
  if (snapshot === null) throw new Error('a running job has no snapshot');
  const limits = running?.settings ?? effectiveSettings(spec, compute, job.shards.total);
  return {
    tenant: job.tenant,
    jobId: job.jobId,
    snapshot,
    bound: job.bound as BoundJob,
    onNull: spec.input.on_null,
    allowNonFinite: spec.output.allow_non_finite,
    stagingPrefix: workspaceOf(settings, job),
    batchSize: limits.batch_size,
    batchTimeoutMs: spec.config.batch_timeout_seconds * 1_000,
    leaseMs: settings.leaseMs,
    threads: limits.threads_per_worker,
    memoryMb: limits.memory_mb_per_worker,
  };
}
