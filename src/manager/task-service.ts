import type { BoundJob } from '../core/bound.ts';
import { cutShards } from '../core/cut-shards.ts';
import type { TaskRef } from '../core/lease.ts';
import type { RetryOf } from '../core/retry.ts';
import { isTerminal } from '../core/states.ts';
import type { TaskLink } from '../core/task-link.ts';
import type { TaskAnswer, TaskJob, TaskRetry } from '../core/wire.ts';
import type { JobRow } from '../state/ledger/ledger.ts';
import { modelStoreOf, registryStoreOf, workspaceOf } from './layout.ts';
import type { LongPoll } from './long-poll.ts';
import type { ManagerDeps } from './manager-deps.ts';
import { outputBytesPerRow } from './output-size.ts';
import type { StoredSpec } from './submit.ts';
import { timeOf } from './time-of.ts';
import type { Asker } from './worker-service.ts';

/** What task processes may ask, one method for each route. The job is that of the task's token. */
export interface TaskService extends Omit<TaskLink, 'claim' | 'renew'> {
  claim(asker: Asker, worker: string, requestId: string): Promise<TaskAnswer>;
  renew(lease: TaskRef): Promise<'held' | 'lost'>;
}

export function createTaskService(deps: ManagerDeps, longPoll: LongPoll): TaskService {
  const { ledger, clock, changes, compute, settings } = deps;
  const told = <Answer>(lease: TaskRef, answer: Answer): Answer => {
    changes.changed(lease.jobId);
    return answer;
  };

  return {
    claim: (asker, worker, requestId) =>
      longPoll({
        ...asker,
        over: (job) => isTerminal(job.state),
        async ask({ tenant, jobId }) {
          const lease = await ledger.claimTask({
            tenant,
            jobId,
            worker,
            requestId,
            leaseMs: settings.leaseMs,
            time: timeOf(clock),
          });
          // As it is under the lease.
          const job = lease === null ? null : await ledger.job(tenant, jobId);
          if (lease === null || job === null) return null;
          changes.changed(jobId);
          return { kind: 'task', work: { lease, leaseMs: settings.leaseMs, job: await taskJob(job, deps) } };
        },
      }),

    renew: (lease) => ledger.renewTask(lease, timeOf(clock), settings.leaseMs),

    async pinned(lease, snapshot, bound, base) {
      const job = await ledger.job(lease.tenant, lease.jobId);
      if (job === null) return 'fenced';
      const { spec } = job.spec as StoredSpec;
      const shards = cutShards(snapshot, {
        workers: Math.min(spec.config.parallelism, compute.slots),
        outputBytesPerRow: outputBytesPerRow(snapshot, bound),
        // The rows of a partial retry are counted out already.
        limit: base === undefined ? (spec.input.limit ?? null) : null,
      });
      return told(
        lease,
        await ledger.plan(
          lease,
          { snapshot, bound, shards, ...(base === undefined ? {} : { base }) },
          timeOf(clock),
        ),
      );
    },

    audited: async (lease, checks) => told(lease, await ledger.audited(lease, checks, timeOf(clock))),
    published: async (lease, result) => told(lease, await ledger.published(lease, result, timeOf(clock))),
    fail: async (lease, report, permanent) =>
      told(lease, await ledger.failTask(lease, { report, permanent }, timeOf(clock))),
  };
}

async function taskJob(job: JobRow, deps: ManagerDeps): Promise<TaskJob> {
  const { ledger, settings } = deps;
  const { spec, adopt, retry } = job.spec as StoredSpec;
  const registered = await registeredModel(job, deps);
  const snapshot = await ledger.snapshot(job.tenant, job.jobId);
  return {
    tenant: job.tenant,
    jobId: job.jobId,
    name: job.name,
    owner: job.owner,
    spec,
    modelSha256: job.modelSha256,
    registered,
    adopt,
    retry: retry === undefined ? null : await taskRetry(job, retry, deps),
    createdMs: job.createdMs,
    firstClaimMs: job.firstClaimMs,
    lastCompleteMs: job.lastCompleteMs,
    counts: job.counts,
    checks: job.checks,
    resumes: job.resumes,
    retries: job.retries,
    pinned:
      snapshot === null || job.bound === null
        ? null
        : { snapshot, bound: job.bound as BoundJob, parts: await ledger.parts(job.tenant, job.jobId) },
    workspace: workspaceOf(settings, job),
    modelStore: registered === null ? modelStoreOf(settings) : registryStoreOf(settings, job.tenant),
  };
}

/** Once it is pinned, a retry needs nothing more of its parent. */
async function taskRetry(
  { tenant, jobId, bound }: JobRow,
  retry: RetryOf,
  { ledger, settings }: ManagerDeps,
): Promise<TaskRetry> {
  const base = await ledger.retryBase(tenant, jobId);
  const parent = retry.mode === 'complete' || bound !== null ? null : await ledger.job(tenant, retry.job);
  const snapshot = parent === null ? null : await ledger.snapshot(tenant, parent.jobId);
  if (parent === null || snapshot === null) return { ...retry, base, parent: null };
  return {
    ...retry,
    base,
    parent: {
      jobId: parent.jobId,
      snapshot,
      bound: parent.bound as BoundJob,
      rows: parent.totalRows ?? 0,
      parts: await ledger.parts(tenant, parent.jobId),
      base: await ledger.retryBase(tenant, parent.jobId),
      workspace: workspaceOf(settings, parent),
    },
  };
}

async function registeredModel(
  { tenant, jobId, model: use }: JobRow,
  { models }: ManagerDeps,
): Promise<TaskJob['registered']> {
  if (use === null) return null;
  const model = await models.modelVersion(tenant, use.name, use.version);
  if (model === null) throw new Error(`job ${jobId} uses a version of a model that does not exist`);
  return { model, alias: use.alias };
}
