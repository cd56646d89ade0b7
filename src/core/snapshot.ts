/**
 * The frozen, replayable list of Parquet files that a job reads. Keys are paths inside the storage.
 */
export interface Snapshot {
  readonly files: readonly SnapshotFile[];
  /** Columns common to all files, in the first file's order, with DuckDB's type names. */
  readonly columns: readonly SourceColumn[];
  /** Rows of all files together. */
  readonly rows: number;
  /** Absent: the input is scored as it was found. */
  readonly prepared?: Preparation;
}

/** A table as it was found when a job pinned it: which files, with which columns, and how many rows. */
export interface PinnedTable {
  readonly files: readonly Omit<SnapshotFile, 'rowGroups'>[];
  readonly columns: readonly SourceColumn[];
  readonly rows: number;
}

/** How a snapshot was made of other tables, by declared joins and `input.transform`. */
export interface Preparation {
  /** What `now()` and its like stood for, in epoch milliseconds: when the job was submitted. */
  readonly nowMs: number;
  /** The input as it was pinned; files that were materialised on the way are gone. */
  readonly input: PinnedTable;
  /** By name. */
  readonly sideInputs: Readonly<Record<string, PinnedTable>>;
  /** SQL that the declared joins came to; null: there were none. */
  readonly joins: string | null;
  /** Well-formed rows of the input, which the preparation started from. */
  readonly rowsBefore: number;
  /** Rows that it gave. */
  readonly rowsAfter: number;
  /** Malformed records of the input: they skip the preparation, follow its rows, and become rejects. */
  readonly malformed: number;
}

export interface SnapshotFile {
  readonly key: string;
  readonly identity: FileIdentity;
  readonly rows: number;
  /** Rows of each row group, in order: shards are cut at their borders where there are any. */
  readonly rowGroups: readonly number[];
  /** The file that this one was made from, record by record, if the input is not Parquet. */
  readonly original?: OriginalFile;
  /** Columns that the folders on the file's path give and the file has not, with their value as text. */
  readonly partition?: Readonly<Record<string, string | null>>;
}

/**
 * A file of the input that was materialised: row n of the Parquet file is record n of this one; of a prepared snapshot, its
 * nth malformed record. Small files may share a Parquet file: they have its key and identity in common, and each its `piece`.
 */
export interface OriginalFile {
  /** Absolute, as the machine that pinned it sees it. */
  readonly path: string;
  /** Storage key: what stands in the output's `source_file` when there is no key column. */
  readonly key: string;
  readonly sizeBytes: number;
  /** Modification time in nanoseconds since the epoch, as a decimal string. */
  readonly mtimeNs: string;
  readonly sha256: string;
  /** Records that are malformed: rows of the Parquet file with the columns of `malformed-columns.ts`. */
  readonly malformed: number;
  /** The rows of the Parquet file that are records of this one, if it holds several. */
  readonly piece?: Piece;
  /**
   * The rows came out of a database. Then `path` is what people call the original, `key` names connection and file, size and
   * SHA-256 are those of the Parquet file as it was first written, and the time is that of the database's snapshot.
   */
  readonly database?: DatabaseOrigin;
}

/** Which state of which database rows were read from. */
export interface DatabaseOrigin {
  readonly connection: string;
  /** What the server calls itself, with its version: `PostgreSQL 18.4`. */
  readonly server: string;
  readonly user: string | null;
  readonly database: string;
  /** The statement that was run. */
  readonly statementSha256: string;
  /** When the snapshot was taken, by the server's clock, in epoch milliseconds. */
  readonly snapshotMs: number;
  /** What the server calls the state: `lsn`, `snapshot`, `gtid`, `data_version` ... */
  readonly marks: Readonly<Record<string, string>>;
}

/** Consecutive rows of a Parquet file: as many as the snapshot's file has, from `firstRow` on. */
export interface Piece {
  /** What stands in the rows' `PIECE_COLUMN`. */
  readonly index: number;
  readonly firstRow: number;
}

/** The original of a Parquet file that holds its records alone. */
export function wholeFile({ piece: _, ...original }: OriginalFile): OriginalFile {
  return original;
}

/** What is compared to notice a change under our feet: before and after each shard, and when a job is resumed. */
export interface FileIdentity {
  readonly sizeBytes: number;
  /** Modification time in nanoseconds since the epoch, as a decimal string. */
  readonly mtimeNs: string;
  /** SHA-256, hex, of the Parquet footer. */
  readonly footerSha256: string;
}

export interface SourceColumn {
  readonly name: string;
  /**
   * As DuckDB prints it: BIGINT, DECIMAL(18,3), TIMESTAMP WITH TIME ZONE, DOUBLE[] ... Where the file holds more than
   * DuckDB reads, it says so: DECIMAL(76,3), "TIMESTAMP holding INT96 nanoseconds".
   */
  readonly type: string;
  /** True when the files' own statistics prove that no value is null. */
  readonly neverNull: boolean;
  /** Why a column of a text file is text, where one value among others made it so. */
  readonly typeReason?: string;
}

/**
 * Rows `start` up to, not including, `end` of a snapshot. Rows are numbered through all files of the snapshot, in their
 * order, from 0: so a shard may cover a piece of one large file or many small files, and shards tile one line.
 */
export interface RowRange {
  readonly start: number;
  readonly end: number;
}

export function rangeRows(range: RowRange): number {
  return range.end - range.start;
}

/** The piece of one file that a range covers. */
export interface Segment {
  /** Index of the file in the snapshot. */
  readonly file: number;
  /** Rows within the file. */
  readonly start: number;
  readonly end: number;
  /** Number, in the snapshot, of the file's row 0. */
  readonly fileOffset: number;
}

/** The pieces of files that a range covers, in order; files without rows are left out. */
export function segmentsOf(files: readonly { readonly rows: number }[], range: RowRange): Segment[] {
  const segments: Segment[] = [];
  let fileOffset = 0;
  for (const [file, { rows }] of files.entries()) {
    const start = Math.max(range.start - fileOffset, 0);
    const end = Math.min(range.end - fileOffset, rows);
    if (start < end) segments.push({ file, start, end, fileOffset });
    fileOffset += rows;
    if (fileOffset >= range.end) break;
  }
  return segments;
}
