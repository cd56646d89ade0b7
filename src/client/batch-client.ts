import type { RetryMode } from '../core/retry.ts';
import type { JobDetail, JobListFilter, JobStatus, SubmitAnswer } from '../core/wire.ts';
import { createTransport, type TransportOptions } from './transport.ts';

export interface SubmitOptions {
  /** Drawn by the caller: the same submission, sent again because its answer was lost, is the same job. */
  readonly requestId: string;
  /** Cancel an unfinished job of the same identity and start over. */
  readonly fresh: boolean;
  /** Publish into a folder that Batchwright did not write. */
  readonly adopt: boolean;
  /** As `requestId`, and remembered by the server for a week. */
  readonly idempotencyKey?: string;
}

/** Looking at jobs, and ending them. */
export interface JobClient {
  status(jobId: string): Promise<JobStatus>;
  /** Newest first. */
  list(filter: JobListFilter): Promise<JobStatus[]>;
  detail(jobId: string): Promise<JobDetail>;
  cancel(jobId: string): Promise<JobStatus>;
}

/** The client of the HTTP API for people's programs and the command line. */
export interface BatchClient extends JobClient {
  submit(spec: unknown, options: SubmitOptions): Promise<SubmitAnswer>;
  /** Has this manager work on an unfinished job; fails with JOB_FINISHED, MODEL_CHANGED or SOURCE_CHANGED. */
  resume(jobId: string): Promise<JobStatus>;
  /**
   * Makes a job that tries one that has ended again, or goes on with the one there is; fails with RETRY_* and more.
   * `mode` absent: `partial` if there is anything to take over, else `complete`. `repaired`: absolute paths.
   * `error_budget`: as in a specification; absent: that of the job that is tried again.
   */
  retry(
    jobId: string,
    options: {
      readonly mode?: RetryMode;
      readonly repaired: readonly string[];
      readonly error_budget?: number | string;
    },
  ): Promise<SubmitAnswer>;
}

export function createBatchClient(options: TransportOptions): BatchClient {
  const call = createTransport(options);
  const base = '/api/v1/inference/batch';
  return {
    submit: (spec, { requestId, fresh, adopt, idempotencyKey }) =>
      call('POST', `${base}?request_id=${requestId}&fresh=${fresh}&adopt=${adopt}`, spec, {
        ...(idempotencyKey === undefined ? {} : { headers: { 'idempotency-key': idempotencyKey } }),
      }),
    status: (jobId) => call('GET', `${base}/${encodeURIComponent(jobId)}`),
    list: async (filter) => (await call<{ jobs: JobStatus[] }>('GET', `${base}?${listQuery(filter)}`)).jobs,
    detail: (jobId) => call('GET', `${base}/${encodeURIComponent(jobId)}/detail`),
    resume: (jobId) => call('POST', `${base}/${encodeURIComponent(jobId)}/resume`, {}),
    retry: (jobId, options) => call('POST', `${base}/${encodeURIComponent(jobId)}/retry`, options),
    cancel: (jobId) => call('POST', `${base}/${encodeURIComponent(jobId)}/cancel`, {}),
  };
}

function listQuery({ limit, states, name, sinceMs, idPrefix }: JobListFilter): URLSearchParams {
  return new URLSearchParams({
    limit: String(limit),
    ...(states === undefined ? {} : { status: states.join(',') }),
    ...(name === undefined ? {} : { name }),
    ...(sinceMs === undefined ? {} : { since: new Date(sinceMs).toISOString() }),
    ...(idPrefix === undefined ? {} : { id_prefix: idPrefix }),
  });
}
