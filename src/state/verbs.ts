import { LEDGER_VERBS, type VerbName } from './ledger/verbs.ts';
import { MODEL_VERBS, type ModelVerbName } from './models/verbs.ts';

export type StateVerbName = VerbName | ModelVerbName;

/** All verbs on the one database; each is one transaction. */
export const STATE_VERBS = { ...LEDGER_VERBS, ...MODEL_VERBS };
