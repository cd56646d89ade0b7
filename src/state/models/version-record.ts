import { createHash } from 'node:crypto';
import { canonicalJson } from '../../core/canonical-json.ts';
import { type ModelVersion, modelFolder } from '../../core/model-version.ts';

/** The table `model_version`, column by column. */
export interface VersionRecord {
  readonly tenant: string;
  readonly name: string;
  readonly version: number;
  readonly record: string;
  readonly created_ms: number;
  readonly created_by: string | null;
  readonly removed_ms: number | null;
  readonly removed_by: string | null;
}

type Content = Pick<ModelVersion, 'bytes' | 'signature' | 'contract' | 'tags' | 'description'>;

export function toModelVersion(row: VersionRecord): ModelVersion {
  return {
    tenant: row.tenant,
    name: row.name,
    version: row.version,
    ...(JSON.parse(row.record) as Content),
    createdMs: row.created_ms,
    createdBy: row.created_by,
    removed: row.removed_ms === null ? null : { atMs: row.removed_ms, by: row.removed_by },
  };
}

/** What the column `record` holds. */
export function recordText({ bytes, signature, contract, tags, description }: Content): string {
  return JSON.stringify({ bytes, signature, contract, tags, description });
}

/**
 * What makes two versions the same: bytes and metadata. The signature is not among it, as it follows from the bytes and a
 * later reader may say more; the order of the outputs is, as it is that of the published columns.
 */
export function fingerprint({ bytes, contract, tags, description }: Content): string {
  const outputs = Object.entries(contract.outputs ?? {});
  const text = canonicalJson({
    folder: modelFolder(bytes),
    features: contract.features ?? null,
    key: contract.key ?? null,
    outputs,
    tags,
    description,
  });
  return createHash('sha256').update(text).digest('hex');
}
