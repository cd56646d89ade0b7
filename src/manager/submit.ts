import type { BoundJob } from '../core/bound.ts';
import { Failure } from '../core/errors.ts';
import { destinationBusy } from '../core/job-refusals.ts';
import { type ModelUse, versionText } from '../core/model-version.ts';
import type { RetryOf } from '../core/retry.ts';
import { isTerminal } from '../core/states.ts';
import type { SubmitAnswer } from '../core/wire.ts';
import { jobIdentity } from '../spec/identity.ts';
import type { JobSpec } from '../spec/job-spec.ts';
import type { JobRow } from '../state/ledger/ledger.ts';
import { existingJob } from './existing-job.ts';
import type { ManagerDeps } from './manager-deps.ts';
import { timeOf } from './time-of.ts';

export interface SubmitRequest {
  readonly tenant: string;
  /** Of the caller; the same id gets the same answer. Null: each request stands for itself. */
  readonly requestId: string | null;
  readonly spec: JobSpec;
  readonly fresh: boolean;
  readonly adopt: boolean;
  /** The job that is tried again, which has ended, and how. */
  readonly retry?: { readonly of: RetryOf; readonly parent: JobRow };
}

/** What is stored as the job's specification: the resolved one, and what was said beside it. */
export interface StoredSpec {
  readonly spec: JobSpec;
  readonly adopt: boolean;
  /** Absent: it is no retry. */
  readonly retry?: RetryOf;
}

/**
 * Takes a job in. An unfinished job of the same identity goes on instead, if neither input nor model changed since.
 * Whatever can be refused cheaply is refused here, before anything is stored.
 */
export async function submit(request: SubmitRequest, deps: ManagerDeps): Promise<SubmitAnswer> {
  const { tenant, spec, fresh, adopt, retry } = request;
  const { ledger, random, settings } = deps;
  const identity = jobIdentity(tenant, spec, retry === undefined ? undefined : identityOf(retry.of));
  const jobId = `job-${Buffer.from(random.bytes(10)).toString('hex')}`;

  const unfinished = fresh ? null : await unfinishedJob(tenant, identity, deps);
  // All rows are scored, only publishing is left: what became of input and model since is no matter.
  const scored = unfinished?.state === 'completing';
  // A partial retry scores with the very bytes that its parent pinned, whatever the reference means by now.
  const known = retry?.of.mode === 'partial' ? retry.parent : null;
  const model =
    unfinished !== null && (scored || known !== null || namesVersionOf(unfinished, spec))
      ? modelOf(unfinished)
      : known !== null
        ? modelOf(known)
        : await resolvedModel(tenant, spec, deps);
  if (unfinished === null) {
    await deps.checkDestination(spec, jobId, adopt, retry?.of.replaces ?? null);
    if (known === null) await deps.checkNamedColumns(spec);
  } else if (!scored && known === null) await checkNothingChanged(unfinished, spec, model, deps);

  const stored: StoredSpec = { spec, adopt, ...(retry === undefined ? {} : { retry: retry.of }) };
  const outcome = await ledger.submit({
    tenant,
    jobId,
    name: spec.name,
    owner: spec.owner ?? null,
    identity,
    destination: spec.output.path,
    spec: stored,
    modelSha256: model.sha256,
    model: model.use,
    retryCount: spec.config.retry_count,
    errorBudget: spec.config.error_budget,
    fresh,
    resumeSettings: stored,
    keepStagingMs: settings.keepStagingMs,
    ...(retry === undefined
      ? {}
      : { retryOf: { jobId: retry.of.job, takesOver: retry.of.mode === 'partial' } }),
    time: timeOf(deps.clock),
  });
  if (outcome.kind === 'busy') {
    throw destinationBusy(outcome.by, spec.output.path);
  }
  return { job_id: outcome.job.jobId, status: outcome.job.state, resumed: outcome.kind === 'resumed' };
}

/** What is needed to look whether a job can be gone on with. */
export type ResumeDeps = Pick<ManagerDeps, 'ledger' | 'registry' | 'checkSourceUnchanged'>;

/**
 * Whether a job can be gone on with by its id alone: unfinished, with the model and the input that it was started with.
 * Fails with JOB_NOT_FOUND, JOB_FINISHED, MODEL_CHANGED, SOURCE_CHANGED.
 */
export async function checkResumable(tenant: string, jobId: string, deps: ResumeDeps): Promise<void> {
  const job = await existingJob(tenant, jobId, deps.ledger);
  if (isTerminal(job.state)) {
    throw new Failure('JOB_FINISHED', `Job ${jobId} has ended already: it is ${job.state}.`, {
      next: 'To score the rows again, submit the job again.',
    });
  }
  if (job.state === 'completing') return;
  const { spec, retry } = job.spec as StoredSpec;
  // All that it needs lies in workspaces.
  if (retry?.mode === 'partial') return;
  // A version of the registry never changes, wherever its alias stands by now.
  const model = job.model === null ? await resolvedModel(tenant, spec, deps) : modelOf(job);
  await checkNothingChanged(job, spec, model, deps);
}

/** What tells a retry from others; where its repaired files lie, and what it replaces, is no matter. */
function identityOf({ job, mode, repaired }: RetryOf): unknown {
  return { job, mode, repaired: repaired.map(({ sha256 }) => sha256) };
}

interface JobModel {
  readonly sha256: string;
  /** Null: it is a file. */
  readonly use: ModelUse | null;
}

function modelOf({ modelSha256, model }: JobRow): JobModel {
  return { sha256: modelSha256, use: model };
}

/** A version never changes; even one that was removed since serves the job that began with it. */
function namesVersionOf({ model }: JobRow, spec: JobSpec): boolean {
  return model !== null && versionText(model) === spec.model_id;
}

async function resolvedModel(tenant: string, spec: JobSpec, { registry }: ResumeDeps): Promise<JobModel> {
  const { sha256, registered } = await registry.resolve(tenant, spec.model_id);
  if (registered === null) return { sha256, use: null };
  const { model, alias } = registered;
  return { sha256, use: { name: model.name, version: model.version, alias } };
}

/** The unfinished job of that identity; null: there is none. */
export async function unfinishedJob(
  tenant: string,
  identity: string,
  { ledger }: Pick<ManagerDeps, 'ledger'>,
): Promise<JobRow | null> {
  const open = await ledger.openJobs();
  return (
    open.find((job) => job.tenant === tenant && job.identity === identity && !isTerminal(job.state)) ?? null
  );
}

async function checkNothingChanged(
  job: JobRow,
  spec: JobSpec,
  model: JobModel,
  deps: ResumeDeps,
): Promise<void> {
  if (job.model !== null && model.use !== null && job.model.version !== model.use.version)
    throw otherVersion(job.jobId, job.model, model.use);
  if (job.modelSha256 !== model.sha256) {
    throw new Failure(
      'MODEL_CHANGED',
      `${spec.model_id} is not the model that the unfinished job ${job.jobId} was started with.`,
      {
        place: { file: spec.model_id, field: 'model_id' },
      },
    );
  }
  if (job.bound === null) return;
  await deps.registry.checkUnchanged((job.bound as BoundJob).model);
  const snapshot = await deps.ledger.snapshot(job.tenant, job.jobId);
  if (snapshot !== null) await deps.checkSourceUnchanged(spec, snapshot);
}

/** An alias has moved, or what a bare name means is another version now. */
function otherVersion(jobId: string, was: ModelUse, is: ModelUse): Failure {
  const name = was.alias === null ? was.name : `${was.name}@${was.alias}`;
  const back =
    is.alias === null
      ? ''
      : `, or move the alias back: batchwright model alias ${is.name} ${is.alias} ${was.version}`;
  return new Failure(
    'MODEL_CHANGED',
    `The unfinished job ${jobId} was started with ${versionText(was)}, as ${name} then was; now it is ${versionText(is)}.`,
    { place: { field: 'model_id' }, next: `Start over with --fresh${back}` },
  );
}
