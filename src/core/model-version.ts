import { createHash } from 'node:crypto';
import type { ModelCompanion } from './bound.ts';
import { canonicalJson } from './canonical-json.ts';
import type { ModelSignature } from './signature.ts';

/** Which bytes a version of a model is. Its folder in the storage is named after all digests together. */
export interface ModelBytes {
  /** SHA-256, hex, of the main file. */
  readonly sha256: string;
  readonly sizeBytes: number;
  readonly companions: readonly ModelCompanion[];
}

/** What a version says about how its model is used. All of it is part of the version, and never changes. */
export interface ModelContract {
  /** The columns that the model was trained with, in order. Absent: not said. */
  readonly features?: readonly string[];
  /** Default of `input.key`. */
  readonly key?: string;
  /** Default of `output.columns`. */
  readonly outputs?: Readonly<Record<string, string>>;
}

/** A version of a model, as it was added. */
export interface ModelVersion {
  readonly tenant: string;
  readonly name: string;
  /** 1, 2, 3 ...; never used again, also after a removal. */
  readonly version: number;
  readonly bytes: ModelBytes;
  /** Of the main file, as read from it when it was added. */
  readonly signature: ModelSignature;
  readonly contract: ModelContract;
  readonly tags: Readonly<Record<string, string>>;
  readonly description: string | null;
  readonly createdMs: number;
  readonly createdBy: string | null;
  /** Null: it is there. What is removed stays on record, and no new job may use it. */
  readonly removed: { readonly atMs: number; readonly by: string | null } | null;
}

/** The version that a job uses, and how it was found. */
export interface ModelUse {
  readonly name: string;
  readonly version: number;
  /** The alias by which the specification named it; null where it named a version, or the only one there is. */
  readonly alias: string | null;
}

export function versionText({ name, version }: { readonly name: string; readonly version: number }): string {
  return `${name}@${version}`;
}

export function totalBytes({ sizeBytes, companions }: ModelBytes): number {
  return companions.reduce((sum, companion) => sum + companion.sizeBytes, sizeBytes);
}

/**
 * Name of the folder that holds the bytes: the digest of the main file; with external data, also a digest of that, as the
 * same graph may come with other weights.
 */
export function modelFolder({ sha256, companions }: Pick<ModelBytes, 'sha256' | 'companions'>): string {
  if (companions.length === 0) return sha256;
  const weights = createHash('sha256').update(canonicalJson(companions)).digest('hex');
  return `${sha256}-${weights.slice(0, 16)}`;
}

/** Name of the main file in that folder: the same for the same bytes, and no name or folder of a companion. */
export function mainFileName({ companions }: Pick<ModelBytes, 'companions'>): string {
  let name = 'model.onnx';
  while (companions.some((companion) => companion.name.split('/')[0] === name)) name = `_${name}`;
  return name;
}
