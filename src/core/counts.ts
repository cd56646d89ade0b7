/** Row accounting of a shard or a job. Invariant 1: read = scored + rejected + filtered. */
export interface Counts {
  readonly read: number;
  readonly scored: number;
  readonly rejected: number;
  /** Rows that the job's `where` left out. */
  readonly filtered: number;
}

export const NO_ROWS: Counts = { read: 0, scored: 0, rejected: 0, filtered: 0 };

export function addCounts(a: Counts, b: Counts): Counts {
  return {
    read: a.read + b.read,
    scored: a.scored + b.scored,
    rejected: a.rejected + b.rejected,
    filtered: a.filtered + b.filtered,
  };
}

export function countsBalance(counts: Counts): boolean {
  return counts.read === counts.scored + counts.rejected + counts.filtered;
}
