import type { Transaction } from '../ledger/transaction.ts';
import { addApiKey, apiKey, apiKeys, revokeApiKey, rotateApiKey } from './api-keys.ts';
import { audit, recordAudit } from './audit-log.ts';
import type { Tenants } from './tenants.ts';

export type TenantVerbName = keyof Tenants;

type Verbs = {
  readonly [Name in TenantVerbName]: (
    tx: Transaction,
    ...args: Parameters<Tenants[Name]>
  ) => ReturnType<Tenants[Name]>;
};

/** All verbs about tenants. They run beside the ledger's, so their names differ from those. */
export const TENANT_VERBS: Verbs = {
  addApiKey,
  apiKey,
  apiKeys,
  rotateApiKey,
  revokeApiKey,
  recordAudit,
  audit,
};

/** Tenants whose verbs are carried out by `call`. */
export function tenantsOf(
  call: (verb: TenantVerbName, args: readonly unknown[]) => Promise<unknown>,
): Tenants {
  const names = Object.keys(TENANT_VERBS) as TenantVerbName[];
  return Object.fromEntries(
    names.map((name) => [name, (...args: unknown[]) => call(name, args)]),
  ) as unknown as Tenants;
}
