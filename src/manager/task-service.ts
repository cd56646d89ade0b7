import { isAbsolute } from 'node:path';
import type { BoundJob } from '../core/bound.ts';
import { cutShards } from '../core/cut-shards.ts';
import { Failure } from '../core/errors.ts';
import type { TaskRef } from '../core/lease.ts';
import type { RetryOf } from '../core/retry.ts';
import type { Snapshot } from '../core/snapshot.ts';
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
  const { ledger, clock, changes, compute, settings, metrics } = deps;
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
      const refused = await refusedInput(job, snapshot, deps);
      if (refused !== null) {
        await ledger.failTask(lease, { report: refused.toJSON(), permanent: true }, timeOf(clock));
        return told(lease, 'fenced');
      }
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
    async published(lease, result) {
      const answer = await ledger.published(lease, result, timeOf(clock));
      const job = await ledger.job(lease.tenant, lease.jobId);
      const sinceMs = job?.stateTimes.completing;
      if (answer === 'accepted' && sinceMs !== undefined) metrics.published(clock.nowMs() - sinceMs);
      return told(lease, answer);
    },
    fail: async (lease, report, permanent) =>
      told(lease, await ledger.failTask(lease, { report, permanent }, timeOf(clock))),
  };
}

/** Why the input that was found may not be scored: it is too large, or a pattern led out of the tenant's folders. */
async function refusedInput(
  { tenant, jobId, spec: stored }: JobRow,
  snapshot: Snapshot,
  { settings, storage, fence }: ManagerDeps,
): Promise<Failure | null> {
  const { spec, fenced } = stored as StoredSpec;
  const rows = Math.min(snapshot.rows, spec.input.limit ?? snapshot.rows);
  const most = settings.maxInputRows;
  if (most !== null && rows > most) {
    return new Failure(
      'INPUT_TOO_LARGE',
      `The input has ${rows} rows; the server allows ${most} for one job.`,
      {
        place: { field: 'input' },
      },
    );
  }
  if (fenced !== true) return null;
  const own = `${workspaceOf(settings, { tenant, jobId })}/`;
  const tables = [snapshot, ...(snapshot.prepared === undefined ? [] : preparedTables(snapshot.prepared))];
  const found = tables.flatMap(({ files }) =>
    files.flatMap(({ key, original }) => (key.startsWith(own) ? (original?.path ?? []) : key)),
  );
  try {
    const paths = found.map(async (each) => ({
      path: isAbsolute(each) ? each : await storage.localPath(each),
      field: 'input.path',
    }));
    await fence(tenant, await Promise.all(paths));
    return null;
  } catch (error) {
    if (error instanceof Failure) return error;
    throw error;
  }
}

function preparedTables({ input, sideInputs }: NonNullable<Snapshot['prepared']>) {
  return [input, ...Object.values(sideInputs)];
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
