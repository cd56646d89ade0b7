/**
 * Columns that a materialised Parquet file has if some of its records are malformed; they are null in all other rows, and
 * the input's own columns are null in these. No specification can name them, and no input may have them.
 */
export const MALFORMED_COLUMNS = {
  /** BIGINT: line of the original file, from 1. */
  line: '_batchwright_line',
  /** VARCHAR: what is wrong; completes "line 7 ...". */
  problem: '_batchwright_problem',
  /** VARCHAR: the beginning of the line. */
  text: '_batchwright_text',
} as const;
