import type { ModelChoices } from '../../core/choose-version.ts';
import type { ModelVersion } from '../../core/model-version.ts';
import type { JobState } from '../../core/states.ts';
import type { Transaction } from '../ledger/transaction.ts';
import type { AliasMove, ModelJob, ModelPage, ModelSummary, VersionPage } from './models.ts';
import { toModelVersion, type VersionRecord } from './version-record.ts';

/** How many versions a message may have to choose from; a model can have thousands. */
const CHOICES = 20;

export async function modelChoices(
  tx: Transaction,
  tenant: string,
  name: string,
): Promise<ModelChoices | null> {
  const any = await tx.get('SELECT 1 FROM model_version WHERE tenant = ? AND name = ? LIMIT 1', tenant, name);
  if (any === undefined) return null;
  const versions = await tx.all<{ version: number }>(
    'SELECT version FROM model_version WHERE tenant = ? AND name = ? AND removed_ms IS NULL ORDER BY version DESC LIMIT ?',
    tenant,
    name,
    CHOICES,
  );
  return { aliases: await aliasesOf(tx, tenant, name), versions: versions.map(({ version }) => version) };
}

export async function modelVersion(
  tx: Transaction,
  tenant: string,
  name: string,
  version: number,
): Promise<ModelVersion | null> {
  const row = await tx.get<VersionRecord>(
    'SELECT * FROM model_version WHERE tenant = ? AND name = ? AND version = ?',
    tenant,
    name,
    version,
  );
  return row === undefined ? null : toModelVersion(row);
}

export async function modelVersions(
  tx: Transaction,
  tenant: string,
  name: string,
  { before, limit }: VersionPage,
): Promise<ModelVersion[]> {
  const rows = await tx.all<VersionRecord>(
    'SELECT * FROM model_version WHERE tenant = ? AND name = ? AND version < ? ORDER BY version DESC LIMIT ?',
    tenant,
    name,
    before ?? Number.MAX_SAFE_INTEGER,
    limit,
  );
  return rows.map(toModelVersion);
}

export async function models(
  tx: Transaction,
  tenant: string,
  { after, limit }: ModelPage,
): Promise<ModelSummary[]> {
  const names = await tx.all<{ name: string; versions: number; latest: number }>(
    `SELECT name, COUNT(*) AS versions, MAX(version) AS latest FROM model_version
      WHERE tenant = ? AND name > ? AND removed_ms IS NULL GROUP BY name ORDER BY name LIMIT ?`,
    tenant,
    after ?? '',
    limit,
  );
  const summaries: ModelSummary[] = [];
  for (const { name, versions, latest } of names) {
    const newest = await modelVersion(tx, tenant, name, latest);
    if (newest === null) throw new Error(`version ${latest} of ${name} is counted and does not exist`);
    summaries.push({ name, versions, latest: newest, aliases: await aliasesOf(tx, tenant, name) });
  }
  return summaries;
}

export async function modelAliasMoves(
  tx: Transaction,
  tenant: string,
  name: string,
  limit: number,
): Promise<AliasMove[]> {
  const rows = await tx.all<{
    alias: string;
    from_version: number | null;
    to_version: number | null;
    at_ms: number;
    moved_by: string | null;
  }>(
    'SELECT * FROM model_alias_move WHERE tenant = ? AND name = ? ORDER BY seq DESC LIMIT ?',
    tenant,
    name,
    limit,
  );
  return rows.map((row) => ({
    alias: row.alias,
    from: row.from_version,
    to: row.to_version,
    atMs: row.at_ms,
    by: row.moved_by,
  }));
}

export async function modelJobs(
  tx: Transaction,
  tenant: string,
  name: string,
  version: number,
  limit: number,
): Promise<ModelJob[]> {
  const rows = await tx.all<{
    job_id: string;
    name: string;
    state: JobState;
    alias: string | null;
    created_ms: number;
  }>(
    `SELECT job_id, job.name AS name, state, alias, created_ms FROM job_model JOIN job USING (tenant, job_id)
      WHERE job_model.tenant = ? AND job_model.name = ? AND version = ? ORDER BY created_ms DESC, job_id DESC LIMIT ?`,
    tenant,
    name,
    version,
    limit,
  );
  return rows.map((row) => ({
    jobId: row.job_id,
    name: row.name,
    state: row.state,
    alias: row.alias,
    createdMs: row.created_ms,
  }));
}

function aliasesOf(tx: Transaction, tenant: string, name: string): Promise<ModelChoices['aliases']> {
  return tx.all(
    'SELECT alias, version FROM model_alias WHERE tenant = ? AND name = ? ORDER BY alias',
    tenant,
    name,
  );
}
