import type { PinnedModel } from '../core/bound.ts';
import type { Storage } from '../storage/storage.ts';

/** A model reference made immutable. */
export interface ResolvedModel {
  /** As the specification said it. */
  readonly reference: string;
  /** SHA-256, hex, of the main file. */
  readonly sha256: string;
}

/** Resolves a model reference to a digest and brings the files into the storage. */
export interface Registry {
  /** Fails with MODEL_NOT_FOUND. */
  resolve(reference: string): Promise<ResolvedModel>;
  /**
   * Copies the model's files into `<store>/<sha256>/`, once: each under its name, checked by digest. Idempotent.
   * Fails with MODEL_NOT_FOUND, MODEL_CHANGED (the bytes are no longer those resolved), MODEL_EXTERNAL_DATA.
   */
  fetch(model: ResolvedModel, store: string, storage: Storage): Promise<PinnedModel>;
  /** Fails with MODEL_CHANGED unless reference and companions still have the digests that were pinned. */
  checkUnchanged(pinned: PinnedModel): Promise<void>;
}
