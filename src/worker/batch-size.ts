/**
 * Rows given to the model in one call: what the job asks for, until a batch does not fit into memory. Then half of what
 * did not fit, for the rest of this worker's life.
 */
export interface BatchSize {
  readonly rows: number;
  tooLarge(rows: number): void;
}

export function batchSizeOf(configured: number): BatchSize {
  let rows = configured;
  return {
    get rows() {
      return rows;
    },
    tooLarge(failed) {
      rows = Math.max(1, Math.min(rows, failed >> 1));
    },
  };
}
