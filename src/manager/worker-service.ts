import type { BoundJob } from '../core/bound.ts';
import { ERROR_CODES } from '../core/error-codes.ts';
import type { FailureReport } from '../core/errors.ts';
import type { AttemptFailure, Completion, LeaseRef, Progress, RenewAnswer } from '../core/lease.ts';
import { isTerminal } from '../core/states.ts';
import type { ClaimAnswer, WorkerContextAnswer } from '../core/wire.ts';
import type { JobRow } from '../state/ledger/ledger.ts';
import { effectiveSettings } from './effective-settings.ts';
import { workspaceOf } from './layout.ts';
import type { ManagerDeps } from './manager-deps.ts';
import type { RunningJob, RunningJobs } from './running-jobs.ts';
import type { StoredSpec } from './submit.ts';
import { timeOf } from './time-of.ts';

/** How long a question for work is held before the answer is 'wait'. */
const LONG_POLL_MS = 1_000;

/** What workers may ask, one method for each route. The job is that of the worker's token. */
export interface WorkerService {
  context(tenant: string, jobId: string): Promise<WorkerContextAnswer>;
  claim(tenant: string, jobId: string, worker: string, requestId: string): Promise<ClaimAnswer>;
  renew(lease: LeaseRef, progress: Progress): Promise<RenewAnswer>;
  suspect(lease: LeaseRef, range: { start: number; end: number }): Promise<'noted' | 'fenced'>;
  complete(lease: LeaseRef, completion: Completion): Promise<'accepted' | 'fenced'>;
  split(lease: LeaseRef, completion: Completion): Promise<'accepted' | 'fenced'>;
  release(lease: LeaseRef): Promise<'released' | 'fenced'>;
  fail(lease: LeaseRef, failure: AttemptFailure): Promise<'retrying' | 'exhausted' | 'fenced'>;
  startFailed(tenant: string, jobId: string, worker: string, report: FailureReport): Promise<void>;
}

export function createWorkerService(
  deps: ManagerDeps,
  running: RunningJobs,
  draining: () => boolean,
): WorkerService {
  const { ledger, clock, changes, settings } = deps;

  /** Asks until there is an answer, the job wants no more work, or the poll is over. */
  async function poll<Answer>(
    tenant: string,
    jobId: string,
    ask: (job: JobRow) => Promise<Answer | null>,
  ): Promise<Answer | { kind: 'wait' } | { kind: 'done' }> {
    const deadline = clock.monotonicMs() + LONG_POLL_MS;
    for (;;) {
      const left = deadline - clock.monotonicMs();
      const change = changes.next(jobId, Math.max(1, Math.min(left, 250)));
      const job = await ledger.job(tenant, jobId);
      if (job === null || draining() || isTerminal(job.state) || job.state === 'completing')
        return { kind: 'done' };
      const answer = await ask(job);
      if (answer !== null) return answer;
      if (left <= 0) return { kind: 'wait' };
      await change;
    }
  }

  /** The lease is over, one way or the other. */
  const over = (lease: LeaseRef) => {
    running.get(lease.jobId)?.progress.delete(lease.shardId);
    changes.changed(lease.jobId);
  };

  return {
    context: (tenant, jobId) =>
      poll(tenant, jobId, async (job) => {
        if (job.state !== 'running') return null;
        return { kind: 'context', context: await workerContext(job, running.get(jobId), deps) };
      }),

    claim: (tenant, jobId, worker, requestId) =>
      poll(tenant, jobId, async () => {
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
        return lease === null ? null : { kind: 'lease', lease };
      }),

    async renew(lease, progress) {
      const answer = await ledger.renew(lease, progress, timeOf(clock), settings.leaseMs);
      if (answer !== 'lost') running.get(lease.jobId)?.progress.set(lease.shardId, progress);
      return answer;
    },

    suspect: (lease, range) => ledger.suspect(lease, range, timeOf(clock)),

    async complete(lease, completion) {
      const answer = await ledger.complete(lease, completion, timeOf(clock));
      over(lease);
      return answer;
    },

    async split(lease, completion) {
      const answer = await ledger.split(lease, completion, timeOf(clock));
      over(lease);
      return answer;
    },

    async release(lease) {
      const answer = await ledger.release(lease, timeOf(clock));
      over(lease);
      return answer;
    },

    async fail(lease, failure) {
      const answer = await ledger.fail(lease, failure, timeOf(clock));
      over(lease);
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
