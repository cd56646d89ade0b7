import type { Transaction } from '../ledger/transaction.ts';
import type { AuditEntry, AuditRow, Tenants } from './tenants.ts';

export async function recordAudit(tx: Transaction, entry: AuditEntry): Promise<void> {
  await tx.run(
    'INSERT INTO audit_entry (at_ms, tenant, actor, action, target, status, code) VALUES (?, ?, ?, ?, ?, ?, ?)',
    entry.atMs,
    entry.tenant,
    entry.actor,
    entry.action,
    entry.target,
    entry.status,
    entry.code,
  );
}

export function audit(
  tx: Transaction,
  tenant: string,
  { beforeSeq, limit }: Parameters<Tenants['audit']>[1],
): Promise<AuditRow[]> {
  return tx.all<AuditRow>(
    `SELECT seq, at_ms AS atMs, tenant, actor, action, target, status, code FROM audit_entry
      WHERE tenant = ? AND seq < ? ORDER BY seq DESC LIMIT ?`,
    tenant,
    beforeSeq ?? Number.MAX_SAFE_INTEGER,
    limit,
  );
}
