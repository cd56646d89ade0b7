import type { FailureReport } from '../../core/errors.ts';
import type { Completion } from '../../core/lease.ts';
import type { RowRange } from '../../core/snapshot.ts';
import type { WorkerContext } from '../../core/wire.ts';

/** What a sampling process is to do, as it stands in the file that it is given. */
export interface SampleRequest {
  readonly context: WorkerContext;
  readonly pieces: readonly SamplePiece[];
  /** Afterwards, for the speed: as many of these rows as can be scored in the time. Null: none. */
  readonly timing: { readonly range: RowRange; readonly forMs: number } | null;
}

/** Rows to score into a part of their own. */
export interface SamplePiece {
  /** Of its files, among all pieces of a check. */
  readonly id: number;
  readonly range: RowRange;
  /** The single row of this piece is not given to the model, but rejected with this. */
  readonly condemned: FailureReport | null;
}

export interface Timed {
  readonly rows: number;
  /** From opening the rows to a part on the disk. */
  readonly elapsedMs: number;
  readonly partBytes: number;
}

/** What a sampling process says, in this order: `ready`, then for each piece its calls and what became of it, then `done`. */
export type SampleMessage =
  | { readonly type: 'ready' }
  /** Rows about to be given to the model. */
  | { readonly type: 'in-model'; readonly rows: RowRange }
  | { readonly type: 'answered' }
  | { readonly type: 'scored'; readonly id: number; readonly completion: Completion }
  /** The piece as a whole failed, for no record's fault. */
  | { readonly type: 'failed'; readonly id: number; readonly failure: FailureReport }
  | { readonly type: 'refused'; readonly failure: FailureReport }
  | { readonly type: 'done'; readonly timed: Timed | null; readonly peakMemoryBytes: number };
