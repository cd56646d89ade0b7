import type { PinnedModel } from './bound.ts';
import { versionText } from './model-version.ts';
import type { JobFact, OutputTransforms } from './output-transforms.ts';
import type { ConstantColumn } from './signature.ts';

/**
 * The constant columns of a job, with their values: settled once, at pin, so that no retry and no worker changes one.
 * `scored_at` is the time at which the job was taken in (`createdMs`, epoch milliseconds): one time for all its rows.
 */
export function bindConstants(
  { constants = {} }: OutputTransforms,
  job: { readonly jobId: string; readonly createdMs: number },
  model: PinnedModel,
): ConstantColumn[] {
  const facts: Readonly<Record<JobFact, Omit<ConstantColumn, 'column'>>> = {
    job_id: { type: 'VARCHAR', value: job.jobId },
    model_version: { type: 'VARCHAR', value: versionOf(model) },
    model_sha256: { type: 'VARCHAR', value: model.sha256 },
    scored_at: { type: 'TIMESTAMP WITH TIME ZONE', value: new Date(job.createdMs).toISOString() },
  };
  return Object.entries(constants).map(([column, given]) => ({
    column,
    ...(typeof given === 'object' ? facts[given.from] : literal(given)),
  }));
}

/** `churn@3`; a model that is a plain file has no version but its bytes: the first 12 hex digits of its SHA-256. */
function versionOf({ sha256, registered }: PinnedModel): string {
  return registered === undefined ? sha256.slice(0, 12) : versionText(registered);
}

function literal(value: string | number | boolean): Omit<ConstantColumn, 'column'> {
  if (typeof value === 'string') return { type: 'VARCHAR', value };
  if (typeof value === 'boolean') return { type: 'BOOLEAN', value };
  return { type: Number.isSafeInteger(value) ? 'BIGINT' : 'DOUBLE', value };
}
