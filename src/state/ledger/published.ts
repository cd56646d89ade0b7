import type { PublishedInput, TaskRef } from '../../core/lease.ts';
import { checkAccounts } from './check-accounts.ts';
import { existingJob, jobRecord } from './job-record.ts';
import type { Time } from './ledger.ts';
import { moveJob } from './move-job.ts';
import { exactlyOne, type Transaction } from './transaction.ts';

export async function published(
  tx: Transaction,
  lease: TaskRef,
  result: PublishedInput,
  time: Time,
): Promise<'accepted' | 'fenced'> {
  const job = await jobRecord(tx, lease.tenant, lease.jobId);
  if (job === undefined) return 'fenced';
  if (job.published_fence === lease.fence) return 'accepted';
  if (job.task_fence !== lease.fence || job.task_kind !== 'publish') return 'fenced';
  await checkAccounts(tx, job);
  exactlyOne(
    await tx.run(
      "UPDATE job SET published_fence = ? WHERE tenant = ? AND job_id = ? AND task_fence = ? AND task_kind = 'publish'",
      lease.fence,
      lease.tenant,
      lease.jobId,
      lease.fence,
    ),
  );
  await moveJob(tx, await existingJob(tx, lease.tenant, lease.jobId), 'completed', time.nowMs, {
    published: result,
  });
  return 'accepted';
}
