import { audited } from './audited.ts';
import { cancel } from './cancel.ts';
import { claim } from './claim.ts';
import { claimTask } from './claim-task.ts';
import { complete } from './complete.ts';
import { fail } from './fail.ts';
import { failJob } from './fail-job.ts';
import { failTask } from './fail-task.ts';
import type { Ledger } from './ledger.ts';
import { plan } from './plan.ts';
import { published } from './published.ts';
import { events } from './read-events.ts';
import { job, jobs, openJobs } from './read-jobs.ts';
import { parts, shards } from './read-shards.ts';
import { snapshot } from './read-snapshot.ts';
import { reap } from './reap.ts';
import { recover } from './recover.ts';
import { release } from './release.ts';
import { renew } from './renew.ts';
import { renewTask } from './renew-task.ts';
import { cleaned, expired } from './retention.ts';
import { retryBase } from './retry-base.ts';
import { split } from './split.ts';
import { stats } from './stats.ts';
import { submission } from './submission.ts';
import { submit } from './submit.ts';
import { suspect } from './suspect.ts';
import { throughput } from './throughput.ts';
import type { Transaction } from './transaction.ts';
import { workerAbandoned } from './worker-abandoned.ts';
import { workerDied } from './worker-died.ts';

export type VerbName = Exclude<keyof Ledger, typeof Symbol.asyncDispose>;

type Verbs = {
  readonly [Name in VerbName]: (
    tx: Transaction,
    ...args: Parameters<Ledger[Name]>
  ) => ReturnType<Ledger[Name]>;
};

/** All verbs of the ledger, whatever the database behind the transaction. */
export const LEDGER_VERBS: Verbs = {
  submit,
  submission,
  stats,
  throughput,
  job,
  jobs,
  openJobs,
  snapshot,
  retryBase,
  shards,
  parts,
  events,
  claimTask,
  renewTask,
  plan,
  audited,
  published,
  failTask,
  claim,
  renew,
  suspect,
  complete,
  split,
  release,
  fail,
  reap,
  workerDied,
  workerAbandoned,
  recover,
  cancel,
  failJob,
  expired,
  cleaned,
};

/** A ledger whose verbs are carried out by `call`. */
export function ledgerOf(
  call: (verb: VerbName, args: readonly unknown[]) => Promise<unknown>,
  dispose: () => Promise<void>,
): Ledger {
  const names = Object.keys(LEDGER_VERBS) as VerbName[];
  const verbs = names.map((name) => [name, (...args: unknown[]) => call(name, args)]);
  return Object.assign(Object.fromEntries(verbs), { [Symbol.asyncDispose]: dispose }) as Ledger;
}
