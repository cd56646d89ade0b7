import { Failure } from '../core/errors.ts';
import type { RowFormat } from './export-rows.ts';
import { findJob } from './find-job.ts';
import type { Output } from './output.ts';
import { fileFormat } from './parse-options.ts';
import { remoteServer } from './remote-server.ts';

export interface DownloadWish {
  readonly to?: string;
  readonly format?: RowFormat;
  readonly limit?: number;
  readonly where?: string;
  readonly code?: string;
}

/** Results or rejects of a job of a server: all rows, to a file or as lines. Fails with USAGE for a selection. */
export async function downloadRows(
  wanted: string,
  what: 'results' | 'rejects',
  url: string,
  { to, format, limit, where, code }: DownloadWish,
  output: Output,
): Promise<number> {
  if (limit !== undefined || where !== undefined || code !== undefined)
    throw new Failure('USAGE', 'With --server all rows come: there is no --limit, --where or --code.', {
      next: `batchwright ${what} ${wanted} --server ${url} --to ${what}.csv`,
    });
  const server = remoteServer(url);
  const { job_id: jobId } = await findJob(server.client, wanted);
  const lines = format === undefined || format === 'table' ? (output.json ? 'jsonl' : 'csv') : format;
  const some = await server.download(jobId, what, to === undefined ? lines : fileFormat(to), to ?? null);
  if (!some && !output.json) output.result(`${jobId} has no rejected rows.`, {});
  else if (to !== undefined) output.result(`Written to ${to}`, { event: 'exported', file: to });
  return 0;
}
