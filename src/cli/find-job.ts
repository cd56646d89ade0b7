import type { JobClient } from '../client/batch-client.ts';
import { Failure } from '../core/errors.ts';
import { unknownJob } from '../core/job-refusals.ts';
import { nearest } from '../core/nearest.ts';
import type { JobStatus } from '../core/wire.ts';

/** What a command's `[job]` may be, for its help. */
export const JOB_ARGUMENT = 'id of a job, the beginning of one, or `latest`';

/** Shorter beginnings are typing errors rather than names: a job may be cancelled by what they find. */
const LEAST_PREFIX = 4;
const ID = 'job-';
const COMPARED = 1_000;

/** Does something with the job that is meant (see `findJob`): most often that is an id, and nothing is looked up first. */
export async function withJob<Answer>(
  client: JobClient,
  wanted: string,
  use: (jobId: string) => Promise<Answer>,
): Promise<Answer> {
  try {
    return await use(wanted);
  } catch (error) {
    if (!isUnknownJob(error)) throw error;
  }
  return use((await findJob(client, wanted)).job_id);
}

/**
 * The job that is meant: by its id, by the beginning of it (with or without `job-`) if no other begins so, or the
 * latest. Fails with JOB_NOT_FOUND, and USAGE where several jobs are meant.
 */
export async function findJob(client: JobClient, wanted: string): Promise<JobStatus> {
  if (wanted === 'latest') {
    const [latest] = await client.list({ limit: 1 });
    if (latest !== undefined) return latest;
    throw new Failure('JOB_NOT_FOUND', 'There are no jobs yet.', { next: 'batchwright run job.yaml' });
  }
  try {
    return await client.status(wanted);
  } catch (error) {
    if (!isUnknownJob(error)) throw error;
  }
  const prefix = wanted.startsWith(ID) ? wanted : `${ID}${wanted}`;
  const fitting =
    prefix.length < ID.length + LEAST_PREFIX ? [] : await client.list({ idPrefix: prefix, limit: 4 });
  const [first, second] = fitting;
  if (first !== undefined && second === undefined) return first;
  if (first !== undefined) {
    const ids = fitting.slice(0, 3).map(({ job_id: id }) => id);
    throw new Failure(
      'USAGE',
      `${wanted} is the beginning of several jobs: ${ids.join(', ')}${fitting.length > 3 ? ' ...' : ''}.`,
      {
        next: 'Give more of the id.',
      },
    );
  }
  throw await unknown(client, wanted);
}

function isUnknownJob(error: unknown): boolean {
  return error instanceof Failure && error.code === 'JOB_NOT_FOUND';
}

async function unknown(client: JobClient, wanted: string): Promise<Failure> {
  const jobs = await client.list({ limit: COMPARED });
  const named = jobs.find(({ name }) => name === wanted);
  // What was given may be the beginning of an id, so it is compared with as much of each.
  const beginnings = jobs.map(({ job_id: id }) =>
    id.slice(0, Math.max(wanted.length, ID.length + LEAST_PREFIX)),
  );
  const near = named?.job_id ?? nearest(wanted, ['latest', ...beginnings]);
  const hint =
    near === undefined
      ? ''
      : named === undefined
        ? ` Did you mean ${near}?`
        : ` The latest job of that name is ${near}.`;
  return unknownJob(wanted, hint);
}
