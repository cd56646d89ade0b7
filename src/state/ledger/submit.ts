import { Failure } from '../../core/errors.ts';
import { jobUnfinished, unknownJob } from '../../core/job-refusals.ts';
import { type ModelUse, versionText } from '../../core/model-version.ts';
import { overBudget } from './error-budget.ts';
import { existingJob, isPublishing, type JobRecord, jobRecord, modelUse, toJobRow } from './job-record.ts';
import type { SubmitInput, SubmitOutcome } from './ledger.ts';
import { moveJob } from './move-job.ts';
import { recordEvent } from './record-event.ts';
import { ownRejectLimit, takenOver } from './retry-base.ts';
import { rememberAnswer, repeatedAnswer } from './submission.ts';
import { exactlyOne, type Transaction } from './transaction.ts';

/** The same submission again (same job id, its reply was lost) is answered 'created' again. */
export async function submit(tx: Transaction, input: SubmitInput): Promise<SubmitOutcome> {
  const repeated = await repeatedAnswer(tx, input);
  if (repeated !== null) return { kind: 'repeated', answer: repeated };
  const outcome = await takeIn(tx, input);
  if (outcome.kind === 'created' || outcome.kind === 'resumed') {
    const { job, kind } = outcome;
    await rememberAnswer(tx, input, { jobId: job.jobId, state: job.state, resumed: kind === 'resumed' });
  }
  return outcome;
}

async function takeIn(tx: Transaction, input: SubmitInput): Promise<SubmitOutcome> {
  const same = await tx.get<JobRecord>(
    'SELECT * FROM job WHERE tenant = ? AND identity = ? AND ended_ms IS NULL',
    input.tenant,
    input.identity,
  );
  if (same?.job_id === input.jobId) return { kind: 'created', job: await toJobRow(tx, same) };
  if (same !== undefined) {
    if (!input.fresh) return resume(tx, same, input);
    if (isPublishing(same)) return { kind: 'busy', by: await toJobRow(tx, same) };
    await moveJob(tx, same, 'cancelled', input.time.nowMs);
  }
  const holder = await tx.get<JobRecord>(
    'SELECT * FROM job WHERE tenant = ? AND destination = ? AND ended_ms IS NULL',
    input.tenant,
    input.destination,
  );
  if (holder !== undefined) return { kind: 'busy', by: await toJobRow(tx, holder) };
  return create(tx, input);
}

async function create(tx: Transaction, input: SubmitInput): Promise<SubmitOutcome> {
  const taken = await tx.get('SELECT 1 FROM job WHERE tenant = ? AND job_id = ?', input.tenant, input.jobId);
  if (taken !== undefined) {
    throw new Failure('REQUEST_INVALID', `There is a job ${input.jobId} already.`, {
      next: 'Submit under a new job id.',
    });
  }
  if (input.retryOf !== undefined) await requireRetryable(tx, input.tenant, input.retryOf);
  const { nowMs } = input.time;
  await tx.run(
    `INSERT INTO job (tenant, job_id, name, owner, state, identity, destination, spec, model_sha256, retry_count, error_budget,
                      keep_staging_ms, state_times, created_ms, retry_of)
     VALUES (?, ?, ?, ?, 'submitted', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    input.tenant,
    input.jobId,
    input.name,
    input.owner,
    input.identity,
    input.destination,
    JSON.stringify(input.spec),
    input.modelSha256,
    input.retryCount,
    JSON.stringify(input.errorBudget),
    input.keepStagingMs,
    JSON.stringify({ submitted: nowMs }),
    nowMs,
    input.retryOf?.jobId ?? null,
  );
  if (input.model !== null) await useModel(tx, input, input.model);
  const job = await existingJob(tx, input.tenant, input.jobId);
  await recordEvent(tx, job, 'job.submitted', { name: input.name }, nowMs);
  return { kind: 'created', job: await toJobRow(tx, job) };
}

/** In the transaction that makes the retry: from there on the files are kept for it. */
async function requireRetryable(
  tx: Transaction,
  tenant: string,
  { jobId, takesOver }: NonNullable<SubmitInput['retryOf']>,
): Promise<void> {
  const parent = await jobRecord(tx, tenant, jobId);
  if (parent === undefined) throw unknownJob(jobId);
  if (parent.ended_ms === null) throw jobUnfinished(jobId, parent.state);
  if (takesOver && parent.cleaned_ms !== null)
    throw new Failure('RETRY_EXPIRED', `The parts of job ${jobId} were kept for their time and are removed.`);
}

/** A version that was removed since it was looked up is refused: its bytes may be gone already. */
async function useModel(tx: Transaction, { tenant, jobId }: SubmitInput, use: ModelUse): Promise<void> {
  const used = await tx.run(
    `INSERT INTO job_model (tenant, job_id, name, version, alias)
     SELECT tenant, ?, name, version, ? FROM model_version
      WHERE tenant = ? AND name = ? AND version = ? AND removed_ms IS NULL`,
    jobId,
    use.alias,
    tenant,
    use.name,
    use.version,
  );
  if (used !== 1) throw new Failure('MODEL_NOT_FOUND', `${versionText(use)} was removed just now.`);
}

/** A smaller error budget counts at once: a job that is past it already ends here. Not so once publish has begun. */
async function resume(tx: Transaction, job: JobRecord, input: SubmitInput): Promise<SubmitOutcome> {
  if (job.model_sha256 !== input.modelSha256) {
    throw new Failure(
      'MODEL_CHANGED',
      `The unfinished job ${job.job_id} was started with the model of digest ${job.model_sha256}; now it is ${input.modelSha256}.`,
    );
  }
  const before = await modelUse(tx, job);
  if (before?.name !== input.model?.name || before?.version !== input.model?.version) {
    const [was, is] = [before, input.model].map((use) => (use === null ? 'a file' : versionText(use)));
    throw new Failure(
      'MODEL_CHANGED',
      `The unfinished job ${job.job_id} was started with ${was}; now the model is ${is}.`,
    );
  }
  const limit =
    job.total_rows === null
      ? null
      : ownRejectLimit(input.errorBudget, job.total_rows, await takenOver(tx, job));
  const spec = { ...JSON.parse(job.spec), ...(input.resumeSettings as object | null) };
  exactlyOne(
    await tx.run(
      `UPDATE job SET spec = ?, retry_count = ?, error_budget = ?, reject_limit = ?, keep_staging_ms = ?, resumes = resumes + 1
        WHERE tenant = ? AND job_id = ?`,
      JSON.stringify(spec),
      input.retryCount,
      JSON.stringify(input.errorBudget),
      limit,
      input.keepStagingMs,
      job.tenant,
      job.job_id,
    ),
  );
  await recordEvent(tx, job, 'job.resumed', { resumes: job.resumes + 1 }, input.time.nowMs);
  if (limit !== null && job.rows_rejected > limit && !isPublishing(job)) {
    await moveJob(tx, job, 'failed', input.time.nowMs, { error: overBudget(job.rows_rejected, limit, []) });
  }
  return { kind: 'resumed', job: await toJobRow(tx, await existingJob(tx, job.tenant, job.job_id)) };
}
