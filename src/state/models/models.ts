import type { ModelChoices } from '../../core/choose-version.ts';
import type { ModelVersion } from '../../core/model-version.ts';
import type { JobState } from '../../core/states.ts';

/**
 * The durable record of models: versions, which never change, aliases, which move, and which job used what. As with the
 * ledger, beside which it lies, every verb takes a tenant, is one transaction, and has happened, durably, when its
 * promise resolves. Where bytes lie, and whether they are there, is the caller's business.
 */
export interface Models {
  /** The same bytes with the same metadata are the version that is there already; anything else is the next number. */
  addModelVersion(input: AddVersionInput): Promise<{ kind: 'added' | 'same'; model: ModelVersion }>;
  /** Null: there never was a model of this name. */
  modelChoices(tenant: string, name: string): Promise<ModelChoices | null>;
  /** Removed ones too. */
  modelVersion(tenant: string, name: string, version: number): Promise<ModelVersion | null>;
  /** Newest first, removed ones too. */
  modelVersions(tenant: string, name: string, page: VersionPage): Promise<ModelVersion[]>;
  /** Models that have a version, in order of their names. */
  models(tenant: string, page: ModelPage): Promise<ModelSummary[]>;
  /** `version` null takes the alias away. The last answer tells where the alias stood, null for nowhere. */
  moveModelAlias(input: MoveAliasInput): Promise<AliasOutcome>;
  /** Newest first. */
  modelAliasMoves(tenant: string, name: string, limit: number): Promise<AliasMove[]>;
  /** Refused while an alias stands for the version or an unfinished job uses it, unless `force`: then its aliases go. */
  removeModelVersion(input: RemoveVersionInput): Promise<RemoveOutcome>;
  /** Jobs that use a version, newest first. */
  modelJobs(tenant: string, name: string, version: number, limit: number): Promise<ModelJob[]>;
  /** Folders of bytes, of all tenants, that no version needs any more, nor any unfinished job. */
  unusedModelBytes(): Promise<ModelBytesRef[]>;
  /** The bytes are no longer in the storage. */
  modelBytesGone(ref: ModelBytesRef, nowMs: number): Promise<void>;
}

export type AddVersionInput = Omit<ModelVersion, 'version' | 'removed'> & {
  /** Moved to the version, whether it is new or was there. */
  readonly alias: string | null;
};

export interface VersionPage {
  /** Versions below this one only; null: from the newest. */
  readonly before: number | null;
  readonly limit: number;
}

export interface ModelPage {
  /** Names after this one only; null: from the first. */
  readonly after: string | null;
  readonly limit: number;
}

export interface ModelSummary {
  readonly name: string;
  readonly versions: number;
  /** The newest one. */
  readonly latest: ModelVersion;
  readonly aliases: ModelChoices['aliases'];
}

export interface MoveAliasInput {
  readonly tenant: string;
  readonly name: string;
  readonly alias: string;
  readonly version: number | null;
  readonly by: string | null;
  readonly nowMs: number;
}

export type AliasOutcome =
  | { readonly kind: 'moved'; readonly from: number | null }
  /** It stands there already, or is not there to be taken away. */
  | { readonly kind: 'same' }
  | { readonly kind: 'no-version' };

export interface AliasMove {
  readonly alias: string;
  /** Null: it was new. */
  readonly from: number | null;
  /** Null: it was taken away. */
  readonly to: number | null;
  readonly atMs: number;
  readonly by: string | null;
}

export interface RemoveVersionInput {
  readonly tenant: string;
  readonly name: string;
  readonly version: number;
  readonly force: boolean;
  readonly by: string | null;
  readonly nowMs: number;
}

export type RemoveOutcome =
  | { readonly kind: 'removed' }
  | { readonly kind: 'removed-before' }
  | { readonly kind: 'no-version' }
  | { readonly kind: 'in-use'; readonly aliases: readonly string[]; readonly jobs: readonly string[] };

export interface ModelJob {
  readonly jobId: string;
  readonly name: string;
  readonly state: JobState;
  readonly alias: string | null;
  readonly createdMs: number;
}

export interface ModelBytesRef {
  readonly tenant: string;
  readonly folder: string;
}
