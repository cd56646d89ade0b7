import type { ApiRole } from '../../core/api-role.ts';
import type { ErrorCode } from '../../core/error-codes.ts';

/**
 * Who may do what, and what was done: API keys and the audit log, in the ledger's database. Every verb is one transaction
 * and has happened, durably, when its promise resolves. Times are epoch ms.
 */
export interface Tenants {
  /** `onlyFirst`: nothing is stored where there is any key already. False: there was. */
  addApiKey(input: AddApiKeyInput): Promise<boolean>;
  /** Of whatever tenant: the prefix comes from whoever wants to be let in. */
  apiKey(prefix: string): Promise<ApiKeyRow | null>;
  /** Newest first; null: of all tenants. */
  apiKeys(tenant: string | null): Promise<ApiKeyRow[]>;
  /** The new key has the tenant, role and name of the old one, which is good for `overlapMs` more. Null: no such living key. */
  rotateApiKey(input: RotateApiKeyInput): Promise<ApiKeyRow | null>;
  /** Takes effect at once. The same again changes nothing. Null: no such key. */
  revokeApiKey(input: RevokeApiKeyInput): Promise<ApiKeyRow | null>;
  recordAudit(entry: AuditEntry): Promise<void>;
  /** Newest first; those before `beforeSeq`. */
  audit(
    tenant: string,
    page: { readonly beforeSeq: number | null; readonly limit: number },
  ): Promise<AuditRow[]>;
}

export interface AddApiKeyInput {
  readonly key: Pick<ApiKeyRow, 'prefix' | 'tenant' | 'name' | 'role' | 'sha256' | 'createdMs' | 'createdBy'>;
  readonly onlyFirst: boolean;
}

export interface ApiKeyRow {
  /** The part of a key that is no secret. */
  readonly prefix: string;
  readonly tenant: string;
  readonly name: string;
  readonly role: ApiRole;
  /** Of the whole key, in hex. */
  readonly sha256: string;
  readonly createdMs: number;
  readonly createdBy: string;
  readonly expiresMs: number | null;
  readonly revokedMs: number | null;
  readonly revokedBy: string | null;
  /** The prefix of the key that was made in its place. */
  readonly replacedBy: string | null;
}

export interface RotateApiKeyInput {
  /** Null: of whatever tenant. */
  readonly tenant: string | null;
  readonly prefix: string;
  readonly next: { readonly prefix: string; readonly sha256: string };
  readonly overlapMs: number;
  readonly by: string;
  readonly nowMs: number;
}

export interface RevokeApiKeyInput {
  /** Null: of whatever tenant. */
  readonly tenant: string | null;
  readonly prefix: string;
  readonly by: string;
  readonly nowMs: number;
}

export interface AuditEntry {
  readonly atMs: number;
  readonly tenant: string;
  /** Prefix and name of the key, or who used the state folder itself. */
  readonly actor: string;
  readonly action: string;
  readonly target: string;
  /** HTTP status of the answer. */
  readonly status: number;
  readonly code: ErrorCode | null;
}

export interface AuditRow extends AuditEntry {
  readonly seq: number;
}
