import type { Clock } from '../core/ports.ts';

/**
 * Wakes those who wait for something to happen to a job: long polls of workers and tasks, and the dispatch loop. Only a
 * hint within one manager, never the truth: whoever is woken looks at the ledger, and looks again after a while anyway.
 */
export interface Changes {
  changed(jobId: string): void;
  /** Resolves at the next change of the job (of any job, with null), or after `ms`. Take it before looking. */
  next(jobId: string | null, ms: number): Promise<void>;
}

export function createChanges(clock: Clock): Changes {
  const waiters = new Map<string | null, Set<() => void>>();

  const wake = (jobId: string | null) => {
    const set = waiters.get(jobId);
    waiters.delete(jobId);
    for (const resolve of set ?? []) resolve();
  };

  return {
    changed(jobId) {
      wake(jobId);
      wake(null);
    },
    async next(jobId, ms) {
      const timer = new AbortController();
      const set = waiters.get(jobId) ?? new Set();
      waiters.set(jobId, set);
      let resolveChange: () => void = () => {};
      const change = new Promise<void>((resolve) => {
        resolveChange = resolve;
        set.add(resolve);
      });
      await Promise.race([change, clock.sleep(ms, timer.signal)]);
      timer.abort();
      set.delete(resolveChange);
      if (set.size === 0 && waiters.get(jobId) === set) waiters.delete(jobId);
    },
  };
}
