import type { Prediction, RecordBatch } from '../core/columns.ts';
import type { Binding, ModelSignature } from '../core/signature.ts';

/** A model as a worker gets it: a local file whose bytes have been checked against `sha256`. */
export interface ModelFile {
  /** Absolute path of the main file; companions (external data) lie in the same folder. */
  readonly path: string;
  readonly sha256: string;
}

/**
 * Adapter that loads a model and answers batches. `inspect` reads names, types and shapes from the bytes alone: it runs
 * in tasks and never loads the model. `open` runs in worker processes only.
 */
export interface Runtime {
  /** Fails with MODEL_INVALID, MODEL_UNSUPPORTED or MODEL_EXTERNAL_DATA. */
  inspect(model: ModelFile): Promise<ModelSignature>;
  /**
   * The other files that the model at this absolute path consists of (external data), checked: what has to be copied and
   * hashed with it. Fails as `inspect` does. Never loads the model.
   */
  companions(path: string): Promise<readonly CompanionFile[]>;
  /** Fails with MODEL_*, RUNTIME_MISSING. */
  open(model: ModelFile, options: SessionOptions, signal: AbortSignal): Promise<Session>;
}

export interface CompanionFile {
  /** Relative to the model's folder, `/`-separated, below it. */
  readonly name: string;
  readonly sizeBytes: number;
}

export interface SessionOptions {
  /** Batches given to `infer` carry the binding's columns: those of the first input, then the second, ... */
  readonly binding: Binding;
  /** Threads of one model call. */
  readonly threads: number;
}

export interface Session extends AsyncDisposable {
  /** Batches that may be in `infer` at once. */
  readonly maxConcurrentBatches: number;
  /**
   * Scores a batch: one answer per record, scored or rejected. No value of the batch is null. It has at most
   * `binding.batchRows` records, where the model takes a fixed number; lists in one column are of one length.
   * The prediction's columns are those of the binding's outputs, in order; their buffers are the caller's to keep.
   *
   * Throws `Failure` MODEL_REFUSED when the model refuses the whole batch, or answers another number of rows than it
   * was asked (PREDICTION_COUNT): the caller then bisects. OUT_OF_MEMORY when the batch does not fit.
   */
  infer(batch: RecordBatch, signal: AbortSignal): Promise<Prediction>;
}
