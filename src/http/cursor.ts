import { Failure } from '../core/errors.ts';
import type { JobStatus } from '../core/wire.ts';

/** Where the next page of a list of jobs begins, as a text that callers hand back. */
export function writeCursor({ created_at: created, job_id: jobId }: JobStatus): string {
  return Buffer.from(`${Date.parse(created)} ${jobId}`).toString('base64url');
}

/** Fails with REQUEST_INVALID. */
export function parseCursor(cursor: string): { createdMs: number; jobId: string } {
  const [, created, jobId] =
    /^(\d{1,15}) (\S{1,200})$/.exec(Buffer.from(cursor, 'base64url').toString()) ?? [];
  if (created !== undefined && jobId !== undefined) return { createdMs: Number(created), jobId };
  throw new Failure('REQUEST_INVALID', 'cursor: is none that a list gave.', { place: { field: 'cursor' } });
}
