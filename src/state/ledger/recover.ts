import type { LiveLease, Time } from './ledger.ts';
import type { Transaction } from './transaction.ts';

/**
 * To be called before any other verb by a manager that starts: monotonic time of the process before means nothing in this
 * one. And by one that was stopped for a while. Leases run anew, and what waited for a retry is ready at once.
 */
export async function recover(tx: Transaction, time: Time, leaseMs: number): Promise<LiveLease[]> {
  const until = time.tickMs + leaseMs;
  await tx.run("UPDATE shard SET lease_until = ? WHERE state = 'leased'", until);
  await tx.run("UPDATE shard SET not_before = NULL WHERE state = 'ready' AND not_before IS NOT NULL");
  await tx.run('UPDATE job SET task_until = ? WHERE ended_ms IS NULL AND task_kind IS NOT NULL', until);
  await tx.run(
    'UPDATE job SET task_not_before = NULL WHERE ended_ms IS NULL AND task_not_before IS NOT NULL',
  );
  const leases = await tx.all<{ worker: string; job_id: string; tenant: string }>(
    `SELECT worker, job_id, tenant FROM shard WHERE state = 'leased'
     UNION SELECT task_worker, job_id, tenant FROM job WHERE ended_ms IS NULL AND task_kind IS NOT NULL
     ORDER BY 1, 2`,
  );
  return leases.map(({ worker, job_id, tenant }) => ({ worker, jobId: job_id, tenant }));
}
