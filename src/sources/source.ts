import type { Snapshot } from '../core/snapshot.ts';
import type { DataEngine } from '../data/engine.ts';
import type { Storage } from '../storage/storage.ts';

/** What a source is given to work with. */
export interface SourceContext {
  readonly storage: Storage;
  readonly engine: DataEngine;
  readonly signal: AbortSignal;
}

/**
 * Turns what the specification names into a snapshot of Parquet files. Pinning is idempotent: as long as nothing
 * changed, it gives the same snapshot.
 */
export interface Source<Input> {
  /** Fails with SOURCE_NOT_FOUND, SOURCE_UNREADABLE, SOURCE_CORRUPT, SCHEMA_MISMATCH. */
  pin(input: Input, context: SourceContext): Promise<Snapshot>;
  /** Fails with SOURCE_CHANGED, naming the file, unless pinning again would give this snapshot. Reads no data pages. */
  checkUnchanged(input: Input, snapshot: Snapshot, storage: Storage): Promise<void>;
  /** About how many bytes pinning will find, without reading any; 0 when that cannot be told. */
  sizeBytes(input: Input): Promise<number>;
}
