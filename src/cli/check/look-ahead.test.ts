import { expect, test } from 'vitest';
import type { Estimate } from './estimate.ts';
import { createFindings } from './findings.ts';
import { judgeEstimate, type Room } from './look-ahead.ts';

const MB = 2 ** 20;
const ESTIMATE: Estimate = {
  rows_per_second_per_worker: 1_000,
  rows_per_second: 1_000,
  measured_rows: 1_000,
  duration_ms: 60_000,
  duration_least_ms: 40_000,
  duration_most_ms: 90_000,
  memory_mb_per_worker: 300,
  memory_limit_mb_per_worker: 512,
  workers: 1,
  batch_size: 1_000,
  output_bytes: 100 * MB,
  fixed_ms: 2_000,
  load: 0,
  cores: 2,
};
const ROOMY: Room[] = [{ path: '/out', freeBytes: 400 * MB }];

function judged(overrides: Partial<Estimate>, rooms = ROOMY, timeoutMinutes = 60) {
  const findings = createFindings();
  const config = { timeout_minutes: timeoutMinutes } as Parameters<typeof judgeEstimate>[1]['config'];
  judgeEstimate({ ...ESTIMATE, ...overrides }, { config }, rooms, findings);
  return {
    codes: [...findings.problems.values()].map(({ code }) => code),
    warnings: findings.warnings.join(),
  };
}

test('there is room, memory and time: nothing is said', () => {
  expect(judged({})).toEqual({ codes: [], warnings: '' });
  expect(judged({}, [{ path: '/out', freeBytes: null }])).toEqual({ codes: [], warnings: '' });
});

test('a disk that the result does not fit on is refused, one that it barely fits on is said; the state folder counts', () => {
  const tight = judged({}, [...ROOMY, { path: '/state', freeBytes: 200 * MB }]);
  expect(tight.codes).toEqual([]);
  expect(tight.warnings).toContain('/state has 200 MiB free');
  expect(judged({}, [...ROOMY, { path: '/state', freeBytes: 99 * MB }]).codes).toEqual(['DISK_FULL']);
});

test('a worker that needs more memory than it gets is said', () => {
  expect(judged({ memory_mb_per_worker: 513 }).warnings).toContain('513 MiB, and gets 512 MiB');
});

test('a job that would take longer than its own limit is refused', () => {
  expect(judged({}, ROOMY, 1).codes).toEqual([]);
  expect(judged({}, ROOMY, 0.9).codes).toEqual(['JOB_TIMEOUT']);
});
