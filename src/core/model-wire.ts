import type { ModelBytes } from './model-version.ts';
import type { ModelSignature } from './signature.ts';
import type { JobState } from './states.ts';

/** The bodies of the model registry's routes. Times are ISO 8601. */

/** `POST /api/v1/models/<name>/versions`. The bytes are in the storage already. */
export interface AddModelRequest {
  readonly bytes: ModelBytes;
  readonly signature: ModelSignature;
  readonly features?: readonly string[];
  readonly key?: string;
  readonly outputs?: Readonly<Record<string, string>>;
  readonly tags: Readonly<Record<string, string>>;
  readonly description: string | null;
  /** Put to the version, whether it is new or was there. */
  readonly alias: string | null;
  /** Who adds it, as they say themselves. */
  readonly by: string | null;
}

export interface AddModelAnswer {
  /** False: the same bytes with the same metadata were there already, as this version. */
  readonly added: boolean;
  readonly model: ModelVersionView;
}

export interface ModelVersionView {
  readonly name: string;
  readonly version: number;
  readonly reference: string;
  readonly sha256: string;
  /** All files together. */
  readonly size_bytes: number;
  readonly files: readonly {
    /** In the storage. */
    readonly key: string;
    readonly size_bytes: number;
    readonly sha256: string;
  }[];
  readonly signature: ModelSignature;
  readonly features: readonly string[] | null;
  readonly key: string | null;
  readonly outputs: Readonly<Record<string, string>> | null;
  readonly tags: Readonly<Record<string, string>>;
  readonly description: string | null;
  readonly created_at: string;
  readonly created_by: string | null;
  readonly removed_at: string | null;
  readonly removed_by: string | null;
}

export interface ModelListItem {
  readonly name: string;
  readonly latest: number;
  readonly versions: number;
  readonly aliases: readonly AliasView[];
  readonly description: string | null;
  /** Of the latest version. */
  readonly size_bytes: number;
  readonly created_at: string;
}

export interface ModelList {
  readonly models: readonly ModelListItem[];
  /** `after` of the next page; null: this was the last. */
  readonly next: string | null;
}

export interface AliasView {
  readonly alias: string;
  readonly version: number;
}

/** `GET /api/v1/models/<reference>`. */
export interface ModelDetail {
  readonly name: string;
  readonly aliases: readonly AliasView[];
  /** Newest first; removed ones too. */
  readonly versions: readonly {
    readonly version: number;
    readonly created_at: string;
    readonly created_by: string | null;
    readonly size_bytes: number;
    readonly sha256: string;
    readonly removed_at: string | null;
  }[];
  /** `before` of the next page of versions; null: these were the last. */
  readonly next_before: number | null;
  /** Newest first. */
  readonly alias_moves: readonly {
    readonly alias: string;
    readonly from: number | null;
    readonly to: number | null;
    readonly at: string;
    readonly by: string | null;
  }[];
  /** The version that the reference means to a job. Null for a bare name that does not say. */
  readonly selected: ModelVersionView | null;
  /** The jobs that used it last, newest first. */
  readonly jobs: readonly {
    readonly job_id: string;
    readonly name: string;
    readonly status: JobState;
    readonly alias: string | null;
    readonly created_at: string;
  }[];
}

export interface MoveAliasAnswer {
  readonly alias: string;
  readonly from: number | null;
  readonly to: number | null;
  /** False: it stood there already. */
  readonly moved: boolean;
}

export interface RemoveModelAnswer {
  /** False: it was removed before. */
  readonly removed: boolean;
  /** Unfinished jobs still use the bytes: they go when those jobs have ended. */
  readonly bytes_kept: boolean;
}
