import type { TaskRef } from '../../core/lease.ts';
import { checkAccounts } from './check-accounts.ts';
import { jobRecord } from './job-record.ts';
import type { Time } from './ledger.ts';
import { recordEvent } from './record-event.ts';
import { exactlyOne, type Transaction } from './transaction.ts';

/** The point of no return. Accounts are checked here too, while nothing is visible yet. */
export async function audited(
  tx: Transaction,
  lease: TaskRef,
  checks: unknown,
  time: Time,
): Promise<'accepted' | 'fenced'> {
  const job = await jobRecord(tx, lease.tenant, lease.jobId);
  if (job === undefined) return 'fenced';
  if (job.audited_fence === lease.fence) return 'accepted';
  if (job.task_fence !== lease.fence || job.task_kind !== 'audit') return 'fenced';
  await checkAccounts(tx, job);
  exactlyOne(
    await tx.run(
      `UPDATE job SET checks = ?, audited_fence = ?, task_kind = NULL, task_worker = NULL, task_request_id = NULL,
              task_until = NULL, task_failures = 0
        WHERE tenant = ? AND job_id = ? AND task_fence = ? AND task_kind = 'audit'`,
      JSON.stringify(checks),
      lease.fence,
      lease.tenant,
      lease.jobId,
      lease.fence,
    ),
  );
  await recordEvent(tx, job, 'job.audited', {}, time.nowMs);
  return 'accepted';
}
