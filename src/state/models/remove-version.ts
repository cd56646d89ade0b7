import { exactlyOne, type Transaction } from '../ledger/transaction.ts';
import type { RemoveOutcome, RemoveVersionInput } from './models.ts';
import { moveModelAlias } from './move-alias.ts';

/** An unfinished job keeps what it has begun with: its bytes stay until it has ended. */
export async function removeModelVersion(
  tx: Transaction,
  { tenant, name, version, force, by, nowMs }: RemoveVersionInput,
): Promise<RemoveOutcome> {
  const row = await tx.get<{ removed_ms: number | null }>(
    'SELECT removed_ms FROM model_version WHERE tenant = ? AND name = ? AND version = ?',
    tenant,
    name,
    version,
  );
  if (row === undefined) return { kind: 'no-version' };
  if (row.removed_ms !== null) return { kind: 'removed-before' };
  const aliases = await tx.all<{ alias: string }>(
    'SELECT alias FROM model_alias WHERE tenant = ? AND name = ? AND version = ? ORDER BY alias',
    tenant,
    name,
    version,
  );
  const jobs = await tx.all<{ job_id: string }>(
    `SELECT job_id FROM job_model JOIN job USING (tenant, job_id)
      WHERE job_model.tenant = ? AND job_model.name = ? AND version = ? AND ended_ms IS NULL ORDER BY created_ms, job_id`,
    tenant,
    name,
    version,
  );
  if (!force && aliases.length + jobs.length > 0) {
    return {
      kind: 'in-use',
      aliases: aliases.map(({ alias }) => alias),
      jobs: jobs.map(({ job_id }) => job_id),
    };
  }
  for (const { alias } of aliases)
    await moveModelAlias(tx, { tenant, name, alias, version: null, by, nowMs });
  exactlyOne(
    await tx.run(
      'UPDATE model_version SET removed_ms = ?, removed_by = ? WHERE tenant = ? AND name = ? AND version = ?',
      nowMs,
      by,
      tenant,
      name,
      version,
    ),
  );
  return { kind: 'removed' };
}
