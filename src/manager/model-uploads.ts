import type { Readable } from 'node:stream';
import type { ModelBytes } from '../core/model-version.ts';
import type { ModelSignature } from '../core/signature.ts';

/** Brings the files of a model from a caller into the store of its tenant. */
export interface ModelUploads {
  /** A place for the files of one upload. */
  begin(tenant: string): Promise<ModelUpload>;
}

export interface ModelUpload {
  /** Streams a file to disk. Fails with REQUEST_INVALID for a name that cannot be one, or that was put before. */
  put(name: string, bytes: Readable): Promise<{ readonly sha256: string; readonly sizeBytes: number }>;
  /** Puts the model and its companions into the store, durably; registers nothing. Fails with MODEL_*. */
  finish(main: string): Promise<{ readonly bytes: ModelBytes; readonly signature: ModelSignature }>;
  /** Removes what was put. */
  discard(): Promise<void>;
}
