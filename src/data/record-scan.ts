import type { RecordBatch } from '../core/columns.ts';
import type { RejectedRow } from './engine.ts';

/** The records of a range, decoded: what a shard's reader needs of it, whoever decodes. */
export interface RecordScan {
  /** Next records in row order, `maxRows` of them unless the range ends; null at its end. Buffers are valid until the next call. */
  next(maxRows: number): Promise<RecordBatch | null>;
  /** Rejected while decoding, in row order; may lie ahead of the batches taken. Whoever takes them removes them. */
  readonly rejects: RejectedRow[];
  /** Stops decoding; afterwards the bridge is free for another statement. */
  close(): Promise<void>;
}
