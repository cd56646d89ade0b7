import type { PinnedTable, Snapshot } from '../core/snapshot.ts';
import type { DataEngine } from '../data/engine.ts';
import type { Database } from '../databases/database.ts';
import type { TableSpec } from '../spec/job-spec.ts';
import type { Storage } from '../storage/storage.ts';

/** What a source is given to work with. */
export interface SourceContext {
  readonly storage: Storage;
  readonly engine: DataEngine;
  /** Storage key below which this attempt to pin, and nobody else, may write what it materialises. */
  readonly workspace: string;
  /** Files that may be materialised at once. */
  readonly parallelFiles: number;
  readonly signal: AbortSignal;
  /**
   * The database of that name in the configuration; fails with CONNECTION_UNKNOWN, CONFIG_INVALID. Absent: there are none here.
   */
  readonly openDatabase?: (name: string) => Promise<Database>;
  /** Most rows that a database may give. Absent: any number. */
  readonly maxRows?: number;
}

/**
 * Turns what the specification names into a snapshot of Parquet files. Pinning is idempotent: as long as nothing
 * changed, it gives the same rows in the same order; what an attempt that died has left in its workspace is never read.
 */
export interface Source {
  /** Endings of the files that a folder stands for, as a glob pattern below it. */
  readonly folderPattern: string;
  /** Fails with SOURCE_NOT_FOUND, SOURCE_UNREADABLE, SOURCE_CORRUPT, SCHEMA_MISMATCH and more. */
  pin(input: TableSpec, context: SourceContext): Promise<Snapshot>;
  /** Fails with SOURCE_CHANGED, naming the file, unless pinning again would give this snapshot. Reads no data. */
  checkUnchanged(input: TableSpec, snapshot: PinnedTable, storage: Storage): Promise<void>;
  /**
   * Names of the columns, as far as the beginning or the end of the first file tells them for all: exactly those that pinning
   * will find. Null: it does not tell. Fails with SOURCE_NOT_FOUND or SOURCE_UNREADABLE.
   */
  columnNames(input: TableSpec): Promise<readonly string[] | null>;
  /** About how many bytes pinning will find, without reading any; 0 when that cannot be told. */
  sizeBytes(input: TableSpec): Promise<number>;
}
