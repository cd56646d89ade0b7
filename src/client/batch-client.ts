import type { JobStatus, SubmitAnswer } from '../core/wire.ts';
import { createTransport, type TransportOptions } from './transport.ts';

export interface SubmitOptions {
  /** Drawn by the caller: the same submission, sent again because its answer was lost, is the same job. */
  readonly requestId: string;
  /** Cancel an unfinished job of the same identity and start over. */
  readonly fresh: boolean;
  /** Publish into a folder that Batchwright did not write. */
  readonly adopt: boolean;
}

/** The client of the HTTP API for people's programs and the command line. */
export interface BatchClient {
  submit(spec: unknown, options: SubmitOptions): Promise<SubmitAnswer>;
  status(jobId: string): Promise<JobStatus>;
  list(filter: { readonly limit: number }): Promise<JobStatus[]>;
  cancel(jobId: string): Promise<JobStatus>;
  /** Has this manager work on an unfinished job. A finished one stays as it is. */
  resume(jobId: string): Promise<JobStatus>;
}

export function createBatchClient(options: TransportOptions): BatchClient {
  const call = createTransport(options);
  const base = '/api/v1/inference/batch';
  return {
    submit: (spec, { requestId, fresh, adopt }) =>
      call('POST', `${base}?request_id=${requestId}&fresh=${fresh}&adopt=${adopt}`, spec),
    status: (jobId) => call('GET', `${base}/${encodeURIComponent(jobId)}`),
    list: async ({ limit }) => (await call<{ jobs: JobStatus[] }>('GET', `${base}?limit=${limit}`)).jobs,
    resume: (jobId) => call('POST', `${base}/${encodeURIComponent(jobId)}/resume`, {}),
    cancel: (jobId) => call('POST', `${base}/${encodeURIComponent(jobId)}/cancel`, {}),
  };
}
