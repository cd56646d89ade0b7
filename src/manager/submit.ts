import type { BoundJob } from '../core/bound.ts';
import { Failure } from '../core/errors.ts';
import { destinationBusy } from '../core/job-refusals.ts';
import { isModelPath } from '../core/model-reference.ts';
import { type ModelUse, versionText } from '../core/model-version.ts';
import type { RetryOf } from '../core/retry.ts';
import { isTerminal } from '../core/states.ts';
import type { SubmitAnswer } from '../core/wire.ts';
import { searchFolders } from '../sources/files/expand-paths.ts';
import { jobIdentity } from '../spec/identity.ts';
import type { JobSpec } from '../spec/job-spec.ts';
import type { JobRow, SubmissionRow } from '../state/ledger/ledger.ts';
import { sameAnswer } from '../state/ledger/submission.ts';
import type { FencedPath } from '../storage/path-fence.ts';
import { type Estimate, estimate } from './estimate.ts';
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
  /** Its paths have to lie where its tenant may read and write. */
  readonly fenced: boolean;
  /** Whether the answer is to say how long the job will take. */
  readonly estimated: boolean;
  /** Of the caller, kept with the job: the same request gets the same answer, also from the next manager. */
  readonly idempotency: { readonly key: string; readonly bodySha256: string } | null;
  /** The job that is tried again, which has ended, and how. */
  readonly retry?: { readonly of: RetryOf; readonly parent: JobRow };
}

/** What is stored as the job's specification: the resolved one, and what was said beside it. */
export interface StoredSpec {
  readonly spec: JobSpec;
  readonly adopt: boolean;
  /** What it reads is checked against the folders of its tenant once it is pinned. Absent: it may read anything. */
  readonly fenced?: true;
  /** Absent: it is no retry. */
  readonly retry?: RetryOf;
}

/**
 * Takes a job in. An unfinished job of the same identity goes on instead, if neither input nor model changed since.
 * Whatever can be refused cheaply is refused here, before anything is stored.
 */
export async function submit(request: SubmitRequest, deps: ManagerDeps): Promise<SubmitAnswer> {
  const { tenant, spec, fresh, adopt, retry, fenced, idempotency } = request;
  const { ledger, random, settings } = deps;
  if (idempotency !== null) {
    const known = await ledger.submission(tenant, idempotency.key);
    // What the checks below would say by now is no matter to a request that was answered.
    if (known !== null) return answerOf(sameAnswer(known, idempotency.bodySha256));
  }
  if (fenced) {
    refuseConnections(spec);
    await deps.fence(tenant, pathsOf(spec, retry?.of));
  }
  const identity = jobIdentity(tenant, spec, retry === undefined ? undefined : identityOf(retry.of));
  const jobId = `job-${Buffer.from(random.bytes(10)).toString('hex')}`;

  const unfinished = fresh ? null : await unfinishedJob(tenant, identity, deps);
  // All rows are scored, only publishing is left: what became of input and model since is no matter.
  const scored = unfinished?.state === 'completing';
  // A partial retry scores with the very bytes that its parent pinned, whatever the reference means by now.
  const pinnedBy = retry?.of.mode === 'partial' ? retry.parent : null;
  const model =
    unfinished !== null && (scored || pinnedBy !== null || namesVersionOf(unfinished, spec))
      ? modelOf(unfinished)
      : pinnedBy !== null
        ? modelOf(pinnedBy)
        : await resolvedModel(tenant, spec, deps);
  if (unfinished === null) {
    await deps.checkDestination(spec, jobId, adopt, retry?.of.replaces ?? null);
    // What a pattern finds may lie outside of the tenant's folders: its columns are told by nobody before that is checked.
    if (pinnedBy === null && !fenced) await deps.checkNamedColumns(spec);
  } else if (!scored && pinnedBy === null) await checkNothingChanged(unfinished, spec, model, deps);

  const stored: StoredSpec = {
    spec,
    adopt,
    ...(fenced ? { fenced } : {}),
    ...(retry === undefined ? {} : { retry: retry.of }),
  };
  const said: Estimate =
    request.estimated && retry === undefined
      ? await estimate(tenant, spec, model.sha256, deps)
      : { estimated_duration_minutes: null, input_row_count: null };
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
    ...(idempotency === null ? {} : { idempotency: { ...idempotency, said } }),
    time: timeOf(deps.clock),
  });
  if (outcome.kind === 'repeated') return answerOf(outcome.answer);
  if (outcome.kind === 'busy') {
    throw destinationBusy(outcome.by, spec.output.path);
  }
  const { job, kind } = outcome;
  return answerOf({ jobId: job.jobId, state: job.state, resumed: kind === 'resumed', said });
}

function answerOf({ jobId, state, resumed, said }: SubmissionRow['answer']): SubmitAnswer {
  return { job_id: jobId, status: state, resumed, ...(said as Estimate) };
}

/** Every path that the specification and a retry name. What a pattern finds is checked once it is pinned. */
function pathsOf({ model_id, input, output }: JobSpec, retry: RetryOf | undefined): FencedPath[] {
  return [
    ...(isModelPath(model_id) ? [{ path: model_id, field: 'model_id' }] : []),
    ...(input.path ?? []).map((path, at) => ({ path: searchedFolder(path), field: `input.path[${at}]` })),
    ...Object.entries(input.side_inputs ?? {}).flatMap(([name, side]) =>
      (side.path ?? []).map((path) => ({
        path: searchedFolder(path),
        field: `input.side_inputs.${name}.path`,
      })),
    ),
    { path: output.path, field: 'output.path' },
    ...(retry?.repaired ?? []).map(({ path }, at) => ({ path, field: `repaired[${at}]` })),
  ];
}

/** Connections belong to the machine's own user: a tenant has none yet, and reaches no database by those of others. */
function refuseConnections({ input }: JobSpec): void {
  const tables = { input, ...input.side_inputs };
  for (const [name, { connection }] of Object.entries(tables)) {
    if (connection === undefined) continue;
    throw new Failure(
      'SPEC_NOT_BUILT',
      `Jobs of a server read files; connection ${connection} is for jobs of \`batchwright run\`.`,
      {
        place: { field: name === 'input' ? 'input.connection' : `input.side_inputs.${name}.connection` },
        next: 'Run it on the machine of the server: batchwright run job.yaml --config batchwright.yaml',
      },
    );
  }
}

function searchedFolder(path: string): string {
  return searchFolders([path])[0] ?? path;
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
