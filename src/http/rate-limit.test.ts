import { expect, test } from 'vitest';
import { createRateLimit } from './rate-limit.ts';

test('a tenant that floods is slowed down, and nobody else', () => {
  let nowMs = 0;
  const take = createRateLimit(60, { monotonicMs: () => nowMs });
  for (let at = 0; at < 60; at += 1) take('flood');
  expect(() => take('flood')).toThrow(expect.objectContaining({ code: 'RATE_LIMITED' }));
  expect(() => take('calm')).not.toThrow();
  nowMs = 999;
  expect(() => take('flood')).toThrow('60 requests a minute');
  nowMs = 1_001;
  expect(() => take('flood')).not.toThrow();
  expect(() => take('flood')).toThrow();
  // Being calm for an hour saves up a minute's worth, no more.
  nowMs = HOUR_MS;
  for (let at = 0; at < 60; at += 1) take('flood');
  expect(() => take('flood')).toThrow();
});

const HOUR_MS = 3_600_000;
