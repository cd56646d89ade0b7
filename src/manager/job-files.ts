import type { Readable } from 'node:stream';
import { Failure } from '../core/errors.ts';
import type { Clock } from '../core/ports.ts';
import type { JobDetail } from '../core/wire.ts';

export const TABLE_FORMATS = ['parquet', 'csv', 'jsonl'] as const;
export type TableFormat = (typeof TABLE_FORMATS)[number];

/** A file that is handed out, in whole or in part. */
export interface ServedFile {
  readonly sizeBytes: number;
  /** Changes with the content. */
  readonly tag: string;
  /** The bytes [start, end). */
  read(start: number, end: number): Readable;
}

/** The files of a job, for callers that do not share the server's disk. */
export interface JobFiles {
  /** All parts as one file. Fails with JOB_UNFINISHED, RESULT_GONE. */
  results(job: JobDetail, format: TableFormat): Promise<ServedFile>;
  /** Null: no row was rejected. Fails with RESULT_GONE. */
  rejects(job: JobDetail, format: TableFormat): Promise<ServedFile | null>;
  /** As it was published. Fails with JOB_UNFINISHED, RESULT_GONE. */
  manifest(job: JobDetail): Promise<ServedFile>;
  /** Null: nothing has been written yet. */
  log(job: JobDetail): Promise<ServedFile | null>;
}

/** Fails with RESULT_GONE once the time is over for which the files of a job that has ended are handed out. */
export function requireKept(
  { job }: JobDetail,
  { clock, keepMs }: { readonly clock: Pick<Clock, 'nowMs'>; readonly keepMs: number },
): void {
  if (job.finished_at === null || Date.parse(job.finished_at) + keepMs > clock.nowMs()) return;
  throw new Failure('RESULT_GONE', `The files of ${job.job_id} were kept for ${keepMs / 3_600_000} hours.`, {
    place: { field: 'job_id' },
  });
}
