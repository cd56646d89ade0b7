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
  /** VARCHAR, in files of rejects only: the original file, as `source_file` names it. */
  file: '_batchwright_file',
} as const;

/**
 * INTEGER: of a Parquet file that several small originals were materialised into, one after the other, the original that a
 * row came from (`OriginalFile.piece`).
 */
export const PIECE_COLUMN = '_batchwright_piece';

/**
 * Columns that say where in the original input a row came from: in files that the rows of a retry were put into, if there
 * is no key column.
 */
export const PLACE_COLUMNS = {
  /** VARCHAR: `source_file`. */
  file: '_batchwright_source_file',
  /** BIGINT: `source_row`. */
  row: '_batchwright_source_row',
} as const;
