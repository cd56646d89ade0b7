import type { Transaction } from '../ledger/transaction.ts';
import type { AddApiKeyInput, ApiKeyRow, RevokeApiKeyInput, RotateApiKeyInput } from './tenants.ts';

export async function addApiKey(tx: Transaction, { key, onlyFirst }: AddApiKeyInput): Promise<boolean> {
  if (onlyFirst && (await tx.get('SELECT 1 FROM api_key LIMIT 1')) !== undefined) return false;
  await insert(tx, key);
  return true;
}

export async function apiKey(tx: Transaction, prefix: string): Promise<ApiKeyRow | null> {
  return (await tx.get<ApiKeyRow>(`SELECT ${COLUMNS} FROM api_key WHERE prefix = ?`, prefix)) ?? null;
}

export function apiKeys(tx: Transaction, tenant: string | null): Promise<ApiKeyRow[]> {
  return tx.all<ApiKeyRow>(
    `SELECT ${COLUMNS} FROM api_key WHERE tenant = COALESCE(?, tenant) ORDER BY created_ms DESC, prefix`,
    tenant,
  );
}

/** An old key that expires sooner than the overlap still does. */
export async function rotateApiKey(tx: Transaction, input: RotateApiKeyInput): Promise<ApiKeyRow | null> {
  const { next, overlapMs, by, nowMs } = input;
  const old = await keyOf(tx, input);
  if (old === null || old.revokedMs !== null || (old.expiresMs ?? nowMs) < nowMs) return null;
  await insert(tx, { ...old, ...next, createdMs: nowMs, createdBy: by });
  await tx.run(
    'UPDATE api_key SET expires_ms = ?, replaced_by = ? WHERE prefix = ?',
    Math.min(old.expiresMs ?? Number.MAX_SAFE_INTEGER, nowMs + overlapMs),
    next.prefix,
    old.prefix,
  );
  return apiKey(tx, next.prefix);
}

export async function revokeApiKey(tx: Transaction, input: RevokeApiKeyInput): Promise<ApiKeyRow | null> {
  const found = await keyOf(tx, input);
  if (found === null) return null;
  if (found.revokedMs === null) {
    await tx.run(
      'UPDATE api_key SET revoked_ms = ?, revoked_by = ? WHERE prefix = ?',
      input.nowMs,
      input.by,
      found.prefix,
    );
  }
  return apiKey(tx, found.prefix);
}

const COLUMNS = `prefix, tenant, name, role, sha256, created_ms AS createdMs, created_by AS createdBy, expires_ms AS expiresMs,
  revoked_ms AS revokedMs, revoked_by AS revokedBy, replaced_by AS replacedBy`;

async function keyOf(
  tx: Transaction,
  { tenant, prefix }: { readonly tenant: string | null; readonly prefix: string },
): Promise<ApiKeyRow | null> {
  const found = await apiKey(tx, prefix);
  return found === null || (tenant !== null && found.tenant !== tenant) ? null : found;
}

async function insert(tx: Transaction, key: AddApiKeyInput['key']): Promise<void> {
  await tx.run(
    'INSERT INTO api_key (prefix, tenant, name, role, sha256, created_ms, created_by) VALUES (?, ?, ?, ?, ?, ?, ?)',
    key.prefix,
    key.tenant,
    key.name,
    key.role,
    key.sha256,
    key.createdMs,
    key.createdBy,
  );
}
