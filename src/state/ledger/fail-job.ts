import type { FailureReport } from '../../core/errors.ts';
import { isTerminal } from '../../core/states.ts';
import { isPublishing, jobRecord } from './job-record.ts';
import type { Time } from './ledger.ts';
import { moveJob } from './move-job.ts';
import type { Transaction } from './transaction.ts';

/** False: there is no such job, it has ended, or it is being published, and then only the publish task knows how it ends. */
export async function failJob(
  tx: Transaction,
  tenant: string,
  jobId: string,
  failure: FailureReport,
  time: Time,
): Promise<boolean> {
  const job = await jobRecord(tx, tenant, jobId);
  if (job === undefined || isTerminal(job.state) || isPublishing(job)) return false;
  await moveJob(tx, job, 'failed', time.nowMs, { error: failure });
  return true;
}
