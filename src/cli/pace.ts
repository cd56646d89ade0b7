import type { JobStatus } from '../core/wire.ts';

/** How fast a job goes now. */
export interface Pace {
  /** Rows per second over the last while; null while too little was seen to say. */
  update(status: JobStatus, nowMs: number): number | null;
}

const WINDOW_MS = 20_000;
/** Workers report their first rows together: less than this says nothing. */
const LEAST_MS = 2_000;

/**
 * From what was seen here, and lately: a job that was interrupted has a first claim from yesterday, and one that is slowed
 * down or whose worker died has rows that were counted and are counted again. A job that stands still has no time left
 * to tell: the rate is 0.
 */
export function createPace(): Pace {
  let seen: { readonly atMs: number; readonly rows: number }[] = [];
  return {
    update({ status, progress }, nowMs) {
      if (status !== 'running') {
        seen = [];
        return null;
      }
      const rows = progress.processed_rows;
      // Rows that a lost worker had done are undone: what was seen before no longer counts.
      if (rows < (seen.at(-1)?.rows ?? 0)) seen = [];
      seen.push({ atMs: nowMs, rows });
      while ((seen[1]?.atMs ?? nowMs) <= nowMs - WINDOW_MS) seen.shift();
      const [first] = seen;
      if (first === undefined || nowMs - first.atMs < LEAST_MS) return null;
      return (1_000 * (rows - first.rows)) / (nowMs - first.atMs);
    },
  };
}
