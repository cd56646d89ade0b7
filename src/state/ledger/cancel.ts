import { isTerminal } from '../../core/states.ts';
import { isPublishing, jobRecord } from './job-record.ts';
import type { Time } from './ledger.ts';
import { moveJob } from './move-job.ts';
import type { Transaction } from './transaction.ts';

export async function cancel(
  tx: Transaction,
  tenant: string,
  jobId: string,
  time: Time,
): Promise<'cancelled' | 'publishing' | 'finished' | 'unknown'> {
  const job = await jobRecord(tx, tenant, jobId);
  if (job === undefined) return 'unknown';
  if (isTerminal(job.state)) return 'finished';
  if (isPublishing(job)) return 'publishing';
  await moveJob(tx, job, 'cancelled', time.nowMs);
  return 'cancelled';
}
