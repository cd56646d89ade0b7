import type { Transaction } from '../ledger/transaction.ts';
import type { AliasOutcome, MoveAliasInput } from './models.ts';

/** Each move is written down with who and when; where the alias stands already, nothing is. */
export async function moveModelAlias(tx: Transaction, input: MoveAliasInput): Promise<AliasOutcome> {
  const { tenant, name, alias, version } = input;
  const before = await tx.get<{ version: number }>(
    'SELECT version FROM model_alias WHERE tenant = ? AND name = ? AND alias = ?',
    tenant,
    name,
    alias,
  );
  const from = before?.version ?? null;
  if (from === version) return { kind: 'same' };
  if (version === null) {
    await tx.run('DELETE FROM model_alias WHERE tenant = ? AND name = ? AND alias = ?', tenant, name, alias);
  } else {
    const there = await tx.get(
      'SELECT 1 FROM model_version WHERE tenant = ? AND name = ? AND version = ? AND removed_ms IS NULL',
      tenant,
      name,
      version,
    );
    if (there === undefined) return { kind: 'no-version' };
    await tx.run(
      `INSERT INTO model_alias (tenant, name, alias, version) VALUES (?, ?, ?, ?)
       ON CONFLICT (tenant, name, alias) DO UPDATE SET version = excluded.version`,
      tenant,
      name,
      alias,
      version,
    );
  }
  await tx.run(
    `INSERT INTO model_alias_move (tenant, name, seq, alias, from_version, to_version, at_ms, moved_by)
     SELECT ?, ?, COALESCE(MAX(seq), 0) + 1, ?, ?, ?, ?, ? FROM model_alias_move WHERE tenant = ? AND name = ?`,
    tenant,
    name,
    alias,
    from,
    version,
    input.nowMs,
    input.by,
    tenant,
    name,
  );
  return { kind: 'moved', from };
}
