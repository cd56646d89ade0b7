import type { PinnedModel } from '../core/bound.ts';
import type { ModelVersion } from '../core/model-version.ts';
import type { Storage } from '../storage/storage.ts';

/** A model reference made immutable. */
export interface ResolvedModel {
  /** As the specification said it. */
  readonly reference: string;
  /** SHA-256, hex, of the main file. */
  readonly sha256: string;
  /** Null: the model is a file. */
  readonly registered: RegisteredModel | null;
}

/** A version of the registry's, and the alias by which the reference named it, if it did. */
export interface RegisteredModel {
  readonly model: ModelVersion;
  readonly alias: string | null;
}

/** Brings the files of a model to where workers read them. */
export interface ModelFetcher {
  /**
   * Sees to it that the storage has the model's files below `store`, each under its name, checked by digest. Idempotent.
   * Fails with MODEL_NOT_FOUND, MODEL_CHANGED (the bytes are no longer those resolved), MODEL_EXTERNAL_DATA, MODEL_CORRUPT.
   */
  fetch(model: ResolvedModel, store: string, storage: Storage): Promise<PinnedModel>;
}

/** Resolves a model reference to a digest and brings the files into the storage. */
export interface Registry extends ModelFetcher {
  /** Fails with MODEL_NOT_FOUND, MODEL_AMBIGUOUS. */
  resolve(tenant: string, reference: string): Promise<ResolvedModel>;
  /** Fails with MODEL_CHANGED, or MODEL_CORRUPT, unless the model and its companions still have the digests that were pinned. */
  checkUnchanged(pinned: PinnedModel): Promise<void>;
}
