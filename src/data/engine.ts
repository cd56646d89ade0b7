import type { Column, ElementType, RecordBatch } from '../core/columns.ts';
import type { Counts } from '../core/counts.ts';
import type { ErrorCode } from '../core/error-codes.ts';
import type { ConstantColumn } from '../core/signature.ts';
import type { Piece, RowRange, Segment, SourceColumn } from '../core/snapshot.ts';
import type { ConvertedRows, ConvertRequest } from './convert-rows.ts';
import type { DecidedColumn, LateColumn } from './late-types.ts';
import type { MissingRowsRequest, RetryRows, RetryRowsRequest } from './retry-rows.ts';
import type { Transcoded, TranscodeRequest } from './text/transcode.ts';
import type { TextKind } from './text-carries.ts';

/**
 * The data engine: everything that touches rows outside of a model. Parquet in, Parquet out.
 */
export interface DataEngine extends AsyncDisposable {
  /**
   * Footer facts of Parquet files: rows, row groups, columns. Reads no data pages.
   * Fails with SOURCE_CORRUPT, SOURCE_UNREADABLE, SCHEMA_MISMATCH (naming both files and the column).
   */
  describe(paths: readonly string[], signal: AbortSignal): Promise<DescribedFile[]>;
  /** Turns text files into one Parquet file; see data/text/transcode.ts. As many at once as shards may be open (4), the rest wait. */
  transcode(request: TranscodeRequest, signal: AbortSignal): Promise<Transcoded>;
  /** Turns rows that came out of a database into Parquet; see data/convert-rows.ts. */
  convertRows(request: ConvertRequest, signal: AbortSignal): Promise<ConvertedRows>;
  /** Decides the types of columns that came as texts; see data/late-types.ts. */
  decideTypes(
    paths: readonly string[],
    columns: readonly LateColumn[],
  ): Promise<ReadonlyMap<string, DecidedColumn>>;
  /** Opens a row range for scoring. */
  openShard(request: ShardRequest): Promise<ShardReader>;
  /** A value that stands more than once in a column of these files together; null: all are distinct. */
  findDuplicate(paths: readonly string[], column: string): Promise<DuplicateKey | null>;
  /**
   * Writes a Parquet file as text, and makes sure by reading it back that nothing was lost. Fails with COLUMN_TYPE (a column
   * that the format cannot carry), ACCOUNTING (the text does not say what the file says), DISK_FULL.
   */
  writeText(request: TextRequest): Promise<void>;
  /** The names in the first line of a CSV file with commas, plain or compressed. */
  csvHead(path: string): Promise<readonly string[]>;
  /** Parts the rejects of a job into rows to be scored again and rejects that stay; see data/retry-rows.ts. */
  retryRows(request: RetryRowsRequest): Promise<RetryRows>;
  /** Writes a piece of a file of an input as a file of its own; see data/retry-rows.ts. Returns its rows. */
  missingRows(request: MissingRowsRequest): Promise<number>;
  /** Line and problem of the first malformed record of a file that has some. */
  firstMalformed(path: string): Promise<{ readonly line: number; readonly problem: string }>;
  /** Writes a Parquet file with these columns and no rows. */
  writeEmptyTable(path: string, columns: readonly TableColumn[]): Promise<void>;
}

export interface TextRequest {
  readonly from: string;
  /** Does not exist yet. */
  readonly to: string;
  readonly format: TextFormat;
  /** Of the Parquet file. */
  readonly rows: number;
}

export interface TextFormat {
  readonly kind: TextKind;
  readonly compression: 'none' | 'gzip' | 'zstd';
  /** Only for CSV: puts an apostrophe before texts, heads included, that a spreadsheet would take for a formula. */
  readonly escapeFormulas: boolean;
}

export interface DuplicateKey {
  /** As text. */
  readonly key: string;
  readonly rows: number;
}

export interface TableColumn {
  readonly name: string;
  /** As DuckDB names it. */
  readonly type: string;
}

export interface DescribedFile {
  readonly path: string;
  readonly rows: number;
  readonly rowGroups: readonly number[];
  readonly columns: readonly SourceColumn[];
}

/** What the model is to get of a column, and what to do with nulls in it. */
export interface FeatureColumn {
  readonly column: string;
  readonly type: ElementType;
  /**
   * A column of lists: the dimensions of one record's tensor, which its list holds row-major; null, once at most: as
   * many as there are. The records of a batch then have lists of one length.
   */
  readonly list?: readonly (number | null)[];
}

export interface ShardRequest {
  /** Snapshot rows to score. Row numbers below (rowNumbers, position, RejectedRow, WriteRequest.end) are of the snapshot. */
  readonly range: RowRange;
  /** The pieces of files that make up the range, in order (`segmentsOf`), with the local path of each file. */
  readonly segments: readonly ShardSegment[];
  /** Columns of the input, as pinned. */
  readonly columns: readonly SourceColumn[];
  /** In the order of the binding. */
  readonly features: readonly FeatureColumn[];
  /** Checked condition over the input's columns; rows for which it is not true are filtered. */
  readonly where?: string;
  /** 'reject' (default), or the value that stands for null in numeric features. */
  readonly onNull: 'reject' | number;
  readonly key?: string;
  /** Columns to pass through to the output, after the key, with their types exactly. */
  readonly include: readonly string[];
  /** Some file of the job has malformed records: rejects show line and text of theirs, in all shards alike. */
  readonly showsMalformed?: boolean;
}

export interface ShardSegment extends Segment {
  readonly path: string;
  /** What stands in the output's `source_file` when there is no key column; `source_row` is the row number in that file. */
  readonly sourceName: string;
  /**
   * Path, for messages, of the original of a file with malformed records, which has the columns of
   * core/malformed-columns.ts. Absent: the file has none.
   */
  readonly malformedIn?: string;
  /** What a malformed record is called in it. Default: Line. */
  readonly malformedUnit?: 'Line' | 'Row';
  /** The file's rows were gathered from others: it says where each came from (`PLACE_COLUMNS`). */
  readonly placed?: boolean;
  /** The file holds several originals, of which this is one: `start` and `end` count from its first row. */
  readonly piece?: Piece;
  /** See `SnapshotFile.partition`. */
  readonly partition?: Readonly<Record<string, string | null>>;
}

export interface OutputColumn {
  readonly name: string;
  readonly type: ElementType;
  readonly shape: 'scalar' | 'list';
  /**
   * Of an int32 column: its values are places in this list, from 1, and the part gets the texts. For 2 M rows that saves
   * more than half of the writing: no text crosses over from JavaScript.
   */
  readonly labels?: readonly string[];
}

export interface RejectedRow {
  /** Row number in the snapshot. */
  readonly rowNumber: number;
  readonly code: ErrorCode;
  readonly message: string;
}

/**
 * Reads the records of one row range in order, and writes the part of what became of them.
 *
 * Records that never reach the model (malformed, null feature or key, a value that does not fit the input type, a list of another
 * length) are rejected by
 * the reader itself; batches hold only records to score, with no null in them.
 */
export interface ShardReader extends AsyncDisposable {
  /** Next batch of at most `maxRows` records; null at the end of the range. Buffers are valid until the next call. */
  next(maxRows: number): Promise<RecordBatch | null>;
  /** First row number that no batch and no reject has covered yet; the place where a split can be made. */
  readonly position: number;
  /** Records rejected by the reader so far, up to `position`. */
  readonly rejects: readonly RejectedRow[];
  /**
   * Keeps the predictions of a batch. `rowNumbers` are strictly increasing over all calls. Values are copied.
   * Rows that are to be rejected are given to `reject` instead.
   */
  append(rowNumbers: Float64Array, columns: readonly Column[]): void;
  reject(row: RejectedRow): void;
  /**
   * Writes the part (and, when there are any, the rejects) of rows [range.start, `end`), `end` <= `position`; key and
   * included columns come from the input itself, paired by row number and checked row by row. Can be called once.
   * Rows of the range that were neither appended nor rejected nor filtered are a bug: it fails with ACCOUNTING.
   */
  write(request: WriteRequest): Promise<WrittenPart>;
}

export interface WriteRequest {
  readonly end: number;
  readonly outputs: readonly OutputColumn[];
  /** After the outputs. */
  readonly constants?: readonly ConstantColumn[];
  readonly partPath: string;
  readonly rejectsPath: string;
  readonly attempt: number;
}

export interface WrittenPart {
  readonly counts: Counts;
  /** False: there were no scored rows, and no part file was written. */
  readonly hasPart: boolean;
  readonly hasRejects: boolean;
  /** The first five rejects with their key as text (or `file:row`), for messages. */
  readonly sampleRejects: readonly {
    readonly key: string;
    readonly code: string;
    readonly message: string;
  }[];
}
