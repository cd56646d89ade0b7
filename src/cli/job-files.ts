import { existsSync } from 'node:fs';
import { Failure } from '../core/errors.ts';
import { isTerminal } from '../core/states.ts';
import type { JobDetail } from '../core/wire.ts';
import type { TableColumn } from '../data/engine.ts';
import type { RejectFile } from '../data/reject-groups.ts';
import { type PublishedResult, publishedResults } from './published-result.ts';
import { oneLine } from './visible-text.ts';

/** Where the rejects of a job lie and what their columns are. */
export interface JobRejects {
  readonly files: readonly RejectFile[];
  /** Columns of the input, with their types: CSV and JSON Lines do not say them. */
  readonly inputColumns: readonly TableColumn[];
  readonly key: string | null;
}

/**
 * Rejects of a job: those in staging while they are there, which is a week. They are Parquet, with the exact values of the
 * input, also where the result is text, and are all there is of a job that failed. Then those beside its result.
 * Null: there are no rejects. Fails with RESULT_GONE.
 */
export function rejectsOf({ job, input, staged_rejects: staged }: JobDetail): JobRejects | null {
  if (staged.length === 0 || input === null) return null;
  // On one machine the storage's root is the file system's.
  const files = staged.map(({ key, rows }) => ({ path: `/${key}`, rows }));
  if (files.every(({ path }) => existsSync(path)))
    return { files, inputColumns: input.columns, key: input.key };
  const result = publishedBy(job.job_id, job.output.published?.location);
  if (result === null) throw gone(job.job_id, 'rejects');
  const { inputColumns, key } = result;
  return { files: result.files.filter(({ kind }) => kind === 'rejects'), inputColumns, key };
}

/** What a job published, while it is there. Fails with JOB_UNFINISHED, RESULT_GONE. */
export function resultOf({ job }: JobDetail): PublishedResult {
  if (job.output.published === null) {
    const how = isTerminal(job.status)
      ? `${job.job_id} ${job.status === 'failed' ? 'has failed' : 'was cancelled'} and published nothing.`
      : `${job.job_id} is ${job.status}: nothing is published before all of it is.`;
    throw new Failure('JOB_UNFINISHED', how, {
      next: isTerminal(job.status)
        ? `Why: batchwright show ${job.job_id}. An earlier result: batchwright results ${oneLine(job.output.location)}`
        : `batchwright resume ${job.job_id}`,
    });
  }
  const result = publishedBy(job.job_id, job.output.published.location);
  if (result === null) throw gone(job.job_id, 'files');
  return result;
}

function publishedBy(jobId: string, location: string | undefined): PublishedResult | null {
  if (location === undefined || !existsSync(location)) return null;
  try {
    return publishedResults(location).find((result) => result.jobId === jobId) ?? null;
  } catch (error) {
    if (error instanceof Failure && error.code.startsWith('VERIFY_')) return null;
    throw error;
  }
}

function gone(jobId: string, what: 'rejects' | 'files'): Failure {
  return new Failure('RESULT_GONE', `The ${what} of ${jobId} are no longer where it put them.`);
}
