import { Failure } from '../core/errors.ts';
import { jobUnfinished } from '../core/job-refusals.ts';
import { versionText } from '../core/model-version.ts';
import type { RetryMode } from '../core/retry.ts';
import { isTerminal } from '../core/states.ts';
import type { SubmitAnswer } from '../core/wire.ts';
import { type JobSpec, parseJobSpec } from '../spec/job-spec.ts';
import type { JobRow } from '../state/ledger/ledger.ts';
import { existingJob } from './existing-job.ts';
import type { ManagerDeps } from './manager-deps.ts';
import { type StoredSpec, submit } from './submit.ts';

export interface RetryRequest {
  readonly tenant: string;
  readonly jobId: string;
  /** Null: `partial` if there is something to take over and something left to score, else `complete`. */
  readonly mode: RetryMode | null;
  /** Absolute paths of files with repaired records. */
  readonly repaired: readonly string[];
  /** As `config.error_budget` of a specification, for the whole result; absent: that of the job that is tried again. */
  readonly errorBudget?: unknown;
  /** See `SubmitRequest`. */
  readonly fenced: boolean;
}

/**
 * Tries a job that has ended again, as a new job with `retry_of`. The same request finds the unfinished retry, and so
 * does one that names that retry itself.
 *
 * - `complete`: the same specification again; model and input are what they are now.
 * - `partial`: what the job rejected or never came to, with the model that it pinned; what it has scored is taken over.
 *
 * Either way the result takes the place of that of the job, and of no other.
 *
 * Fails with JOB_NOT_FOUND, JOB_UNFINISHED, RETRY_NOTHING, RETRY_EXPIRED, RETRY_SUPERSEDED, RETRY_UNSUPPORTED, SOURCE_*,
 * SPEC_INVALID (the error budget), and as a submission does.
 */
export async function retry(request: RetryRequest, deps: ManagerDeps): Promise<SubmitAnswer> {
  const { tenant } = request;
  const parent = await parentOf(request, deps);
  const mode = request.mode ?? modeFor(parent, request.repaired.length > 0);
  if (mode === 'complete' && request.repaired.length > 0) {
    throw new Failure(
      'REQUEST_INVALID',
      'Repaired records are for a partial retry; a complete one reads the input again.',
      {
        place: { field: 'repaired' },
      },
    );
  }
  const { spec: tried, adopt } = parent.spec as StoredSpec;
  const spec = request.errorBudget === undefined ? tried : withErrorBudget(tried, request.errorBudget);
  const replaces = await replacedBy(parent, deps);
  if (replaces !== null && spec.output.mode === 'append') {
    throw new Failure(
      'RETRY_UNSUPPORTED',
      `Job ${parent.jobId} has appended its rows to ${spec.output.path}; a sub-folder of a dataset cannot be replaced in one step.`,
      {
        place: { field: 'output.mode' },
        next: 'Repair the rejected rows, and run them as an input of their own that is appended too.',
      },
    );
  }
  // Before a byte of them is read: the digest of a file is said to whoever asks.
  if (request.fenced)
    await deps.fence(
      tenant,
      request.repaired.map((path, at) => ({ path, field: `repaired[${at}]` })),
    );
  const repaired = await Promise.all(request.repaired.map(deps.identifyRepaired));
  if (mode === 'partial') await requirePartial(parent, deps);
  return submit(
    {
      tenant,
      requestId: null,
      spec,
      fresh: false,
      adopt,
      fenced: request.fenced,
      estimated: false,
      idempotency: null,
      retry: { of: { job: parent.jobId, mode, replaces, repaired }, parent },
    },
    deps,
  );
}

/** The job that was named; or, if that is a retry that is unfinished or took nothing over, the job that it tries again. */
async function parentOf(request: RetryRequest, deps: ManagerDeps): Promise<JobRow> {
  const { tenant, jobId } = request;
  const { ledger } = deps;
  const job = await existingJob(tenant, jobId, ledger);
  const tookNothing = job.bound === null && (job.spec as StoredSpec).retry?.mode === 'partial';
  if (isTerminal(job.state)) {
    return tookNothing && job.retryOf !== null ? parentOf({ ...request, jobId: job.retryOf }, deps) : job;
  }
  const parent = job.retryOf === null ? null : await ledger.job(tenant, job.retryOf);
  if (parent !== null) return parent;
  throw jobUnfinished(jobId, job.state);
}

function withErrorBudget(spec: JobSpec, errorBudget: unknown): JobSpec {
  return parseJobSpec({ ...spec, config: { ...spec.config, error_budget: errorBudget } }, { folder: '/' });
}

function modeFor(job: JobRow, hasRepaired: boolean): RetryMode {
  const hasAnswers = job.counts.read > 0 || job.takenOver !== null;
  return hasRepaired || job.state === 'completed' || hasAnswers ? 'partial' : 'complete';
}

/** The nearest of the job and those it tries again that has published: its result may be replaced. */
async function replacedBy(job: JobRow, { ledger }: ManagerDeps): Promise<string | null> {
  for (let each: JobRow | null = job; each !== null; ) {
    if (each.published !== null) return each.jobId;
    each = each.retryOf === null ? null : await ledger.job(each.tenant, each.retryOf);
  }
  return null;
}

async function requirePartial(
  job: JobRow,
  { ledger, models, checkSourceUnchanged }: ManagerDeps,
): Promise<void> {
  const { jobId, tenant } = job;
  const rejected = job.counts.rejected + (job.takenOver?.rejected ?? 0);
  const missing = (job.totalRows ?? 0) - job.counts.read;
  // One that has failed or was cancelled after its last row was answered has that left to publish.
  const isDone = job.state === 'completed' && rejected === 0 && missing === 0;
  if (job.bound === null || isDone) {
    const why =
      job.bound === null ? 'ended before its input was pinned' : 'has no rejected and no missing rows';
    throw new Failure('RETRY_NOTHING', `Job ${jobId} ${why}.`, {
      next: `Score everything again: batchwright retry ${jobId} --mode complete`,
    });
  }
  if (job.model !== null) {
    const version = await models.modelVersion(tenant, job.model.name, job.model.version);
    if (version === null || version.removed !== null) {
      throw new Failure(
        'MODEL_NOT_FOUND',
        `${versionText(job.model)}, which job ${jobId} has scored with, was removed from the registry.`,
        {
          place: { field: 'model_id' },
          next: `Score everything again, with another version: batchwright retry ${jobId} --mode complete`,
        },
      );
    }
  }
  // What a retry read lies in its workspace; the input itself was pinned by the first of the line.
  let first: JobRow = job;
  while (first.retryOf !== null && (first.spec as StoredSpec).retry?.mode === 'partial') {
    const before = await ledger.job(tenant, first.retryOf);
    if (before === null) break;
    first = before;
  }
  const snapshot = await ledger.snapshot(tenant, first.jobId);
  if (snapshot !== null) await checkSourceUnchanged((first.spec as StoredSpec).spec, snapshot);
}
