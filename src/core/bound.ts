import type { ModelUse } from './model-version.ts';
import type { Binding, ModelSignature } from './signature.ts';

/** What pin settles about a job, beside the snapshot; frozen for the job's life and written in the manifest. */
export interface BoundJob {
  readonly model: PinnedModel;
  readonly signature: ModelSignature;
  readonly binding: Binding;
  /** The checked condition, as SQL that is safe to embed. */
  readonly where: string | null;
  /** The key column as the input spells it; null: file and row number are the key. */
  readonly key: string | null;
  /** Columns passed through beside the key, as the input spells them. */
  readonly include: readonly string[];
  /** Of a partial retry, whose files hold rows gathered from others. */
  readonly gathered?: {
    /** The files have the columns `PLACE_COLUMNS`. */
    readonly placed: boolean;
    /** Rejects show line and text of malformed records, as those that are taken over do. */
    readonly showsMalformed: boolean;
  };
}

/** A model whose bytes lie in the storage under their digest. */
export interface PinnedModel {
  /** What the specification said. */
  readonly reference: string;
  /** Storage key of the main file; companions lie beside it under their names. */
  readonly key: string;
  readonly sha256: string;
  readonly companions: readonly ModelCompanion[];
  /** Absent: the model is a file. */
  readonly registered?: ModelUse & {
    /** The columns that the version says it was trained with, in order. */
    readonly features?: readonly string[];
  };
}

/** A file of external data that belongs to a model. */
export interface ModelCompanion {
  /** Relative to the model's folder, as the model names it. */
  readonly name: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}
