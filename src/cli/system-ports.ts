import { randomBytes } from 'node:crypto';
import type { Clock, Random } from '../core/ports.ts';

/** The machine's own clock. Monotonic time is the process's, the same in all its threads. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => Number(process.hrtime.bigint()) / 1e6,
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const done = () => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      signal?.addEventListener('abort', done);
    }),
};

export const systemRandom: Random = {
  bytes: (n) => randomBytes(n),
  float: () => Math.random(),
};
