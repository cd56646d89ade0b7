import { Failure } from '../core/errors.ts';
import { unknownJob } from '../core/job-refusals.ts';
import type { Clock } from '../core/ports.ts';
import { wholeFiles } from '../core/retry.ts';
import type { EventView, JobDetail, JobListFilter, JobStatus, ShardView } from '../core/wire.ts';
import type { JobRow, Ledger } from '../state/ledger/ledger.ts';
import type { Changes } from './changes.ts';
import { existingJob } from './existing-job.ts';
import { jobStatus } from './job-status.ts';
import type { ManagerSettings } from './manager-deps.ts';
import type { RunningJobs } from './running-jobs.ts';
import type { StoredSpec } from './submit.ts';
import { timeOf } from './time-of.ts';

/** Looking at jobs and ending them: what needs the ledger only, and no work to be under way. */
export interface JobService {
  /** Fails with JOB_NOT_FOUND. */
  status(tenant: string, jobId: string): Promise<JobStatus>;
  /** Newest first. */
  list(tenant: string, filter: JobListFilter): Promise<JobStatus[]>;
  /** Fails with JOB_NOT_FOUND. */
  detail(tenant: string, jobId: string): Promise<JobDetail>;
  /** In order; those after `after`. Fails with JOB_NOT_FOUND. */
  shards(
    tenant: string,
    jobId: string,
    page: { readonly after: number | null; readonly limit: number },
  ): Promise<{ readonly shards: readonly ShardView[]; readonly next_after: number | null }>;
  /** What happened to a job after event `after`. Fails with JOB_NOT_FOUND. */
  events(tenant: string, jobId: string, after: number, limit: number): Promise<EventView[]>;
  /** Resolves at the next change of a job, or after `ms`; only a hint. Take it before looking. */
  changed(jobId: string, ms: number): Promise<void>;
  /** Fails with JOB_NOT_FOUND, JOB_PUBLISHING, JOB_FINISHED. */
  cancel(tenant: string, jobId: string): Promise<JobStatus>;
}

export interface JobServiceDeps {
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly changes: Changes;
  readonly running: RunningJobs;
  readonly settings: Pick<ManagerSettings, 'logFolder'>;
}

export function createJobService({ ledger, clock, changes, running, settings }: JobServiceDeps): JobService {
  const statusOf = (job: JobRow) => jobStatus(job, running.get(job.jobId), clock.nowMs());

  return {
    status: async (tenant, jobId) => statusOf(await existingJob(tenant, jobId, ledger)),
    list: async (tenant, filter) => (await ledger.jobs(tenant, filter)).map(statusOf),

    async detail(tenant, jobId) {
      const job = await existingJob(tenant, jobId, ledger);
      const snapshot = await ledger.snapshot(tenant, jobId);
      const bound = job.bound as { key: string | null } | null;
      const parts = job.counts.rejected === 0 ? [] : await ledger.parts(tenant, jobId);
      const base = await ledger.retryBase(tenant, jobId);
      return {
        job: statusOf(job),
        specification: (job.spec as StoredSpec).spec,
        model_sha256: job.modelSha256,
        input:
          snapshot === null
            ? null
            : {
                files: snapshot.files.length,
                size_bytes: snapshot.files.reduce(
                  (sum, { identity, original }) => sum + (original?.sizeBytes ?? identity.sizeBytes),
                  0,
                ),
                columns: snapshot.columns,
                key: bound?.key ?? null,
              },
        staged_rejects: wholeFiles('rejects', { jobId, parts, base }).map(({ file: { key, rows } }) => ({
          key,
          rows,
        })),
        log_file: `${settings.logFolder}/${jobId}.log`,
      };
    },

    async shards(tenant, jobId, { after, limit }) {
      await existingJob(tenant, jobId, ledger);
      const all = (await ledger.shards(tenant, jobId)).filter(({ shardId }) => shardId > (after ?? -1));
      const shown = all.slice(0, limit);
      return {
        shards: shown.map(({ shardId, range, state, attempt, failures, worker }) => ({
          shard: shardId,
          first_row: range.start,
          end_row: range.end,
          state,
          attempt,
          failures,
          worker,
        })),
        next_after: all.length > limit ? (shown.at(-1)?.shardId ?? null) : null,
      };
    },

    async events(tenant, jobId, after, limit) {
      await existingJob(tenant, jobId, ledger);
      const rows = await ledger.events(tenant, jobId, after, limit);
      return rows.map(({ seq, atMs, type, data }) => ({ seq, at: new Date(atMs).toISOString(), type, data }));
    },

    changed: (jobId, ms) => changes.next(jobId, ms),

    async cancel(tenant, jobId) {
      const outcome = await ledger.cancel(tenant, jobId, timeOf(clock));
      if (outcome === 'unknown') throw unknownJob(jobId);
      if (outcome === 'publishing') throw new Failure('JOB_PUBLISHING', `Job ${jobId} is being published.`);
      const status = statusOf(await existingJob(tenant, jobId, ledger));
      if (outcome === 'finished' && status.status !== 'cancelled') {
        throw new Failure(
          'JOB_FINISHED',
          `Job ${jobId} has ${status.status === 'completed' ? 'completed' : 'failed'} already.`,
        );
      }
      changes.changed(jobId);
      return status;
    },
  };
}
