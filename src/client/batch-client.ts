import type { JobStatus, SubmitAnswer } from '../core/wire.ts';
import { createTransport, type TransportOptions } from './transport.ts';

export interface SubmitOptions {
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
}

export function createBatchClient(options: TransportOptions): BatchClient {
  const call = createTransport(options);
  const base = '/api/v1/inference/batch';
  return {
    submit: (spec, { fresh, adopt }) => call('POST', `${base}?fresh=${fresh}&adopt=${adopt}`, spec),
    status: (jobId) => call('GET', `${base}/${encodeURIComponent(jobId)}`),
    list: async ({ limit }) => (await call<{ jobs: JobStatus[] }>('GET', `${base}?limit=${limit}`)).jobs,
    cancel: (jobId) => call('POST', `${base}/${encodeURIComponent(jobId)}/cancel`, {}),
  };
}
