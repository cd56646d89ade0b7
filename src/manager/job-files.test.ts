import { expect, test } from 'vitest';
import type { JobDetail } from '../core/wire.ts';
import { requireKept } from './job-files.ts';

const HOUR_MS = 3_600_000;
const job = (finished: string | null) => ({ job: { job_id: 'job-1', finished_at: finished } }) as JobDetail;
const at = (nowMs: number) => ({ clock: { nowMs: () => nowMs }, keepMs: 5 * HOUR_MS });

test('files of a job are handed out until the very end of their time, and not after it', () => {
  const finished = new Date(0).toISOString();
  expect(() => requireKept(job(finished), at(5 * HOUR_MS - 1))).not.toThrow();
  expect(() => requireKept(job(finished), at(5 * HOUR_MS))).toThrow(
    expect.objectContaining({ code: 'RESULT_GONE' }),
  );
});

test('those of a job that has not ended have no end', () => {
  expect(() => requireKept(job(null), at(Number.MAX_SAFE_INTEGER))).not.toThrow();
});
