import { LEDGER_VERBS, type VerbName } from './ledger/verbs.ts';
import { MODEL_VERBS, type ModelVerbName } from './models/verbs.ts';
import { TENANT_VERBS, type TenantVerbName } from './tenants/verbs.ts';

export type StateVerbName = VerbName | ModelVerbName | TenantVerbName;

/** All verbs on the one database; each is one transaction. */
export const STATE_VERBS = { ...LEDGER_VERBS, ...MODEL_VERBS, ...TENANT_VERBS };
