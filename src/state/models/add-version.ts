import { type ModelVersion, modelFolder, totalBytes } from '../../core/model-version.ts';
import type { Transaction } from '../ledger/transaction.ts';
import type { AddVersionInput } from './models.ts';
import { moveModelAlias } from './move-alias.ts';
import { fingerprint, recordText, toModelVersion, type VersionRecord } from './version-record.ts';

export async function addModelVersion(
  tx: Transaction,
  input: AddVersionInput,
): Promise<{ kind: 'added' | 'same'; model: ModelVersion }> {
  const print = fingerprint(input);
  const known = await tx.get<VersionRecord>(
    'SELECT * FROM model_version WHERE tenant = ? AND name = ? AND fingerprint = ? AND removed_ms IS NULL',
    input.tenant,
    input.name,
    print,
  );
  const row = known ?? (await insert(tx, input, print));
  const model = toModelVersion(row);
  if (input.alias !== null) {
    const { tenant, name, alias, createdBy: by, createdMs: nowMs } = input;
    await moveModelAlias(tx, { tenant, name, alias, version: model.version, by, nowMs });
  }
  return { kind: known === undefined ? 'added' : 'same', model };
}

async function insert(tx: Transaction, input: AddVersionInput, print: string): Promise<VersionRecord> {
  const { tenant, name } = input;
  const row = await tx.get<VersionRecord>(
    `INSERT INTO model_version (tenant, name, version, fingerprint, folder, size_bytes, record, created_ms, created_by)
     SELECT ?, ?, COALESCE(MAX(version), 0) + 1, ?, ?, ?, ?, ?, ? FROM model_version WHERE tenant = ? AND name = ?
     RETURNING *`,
    tenant,
    name,
    print,
    modelFolder(input.bytes),
    totalBytes(input.bytes),
    recordText(input),
    input.createdMs,
    input.createdBy,
    tenant,
    name,
  );
  if (row === undefined) throw new Error('an insert returned nothing');
  return row;
}
