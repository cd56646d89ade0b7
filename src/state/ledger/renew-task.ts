import type { TaskRef } from '../../core/lease.ts';
import type { Time } from './ledger.ts';
import type { Transaction } from './transaction.ts';

export async function renewTask(
  tx: Transaction,
  lease: TaskRef,
  time: Time,
  leaseMs: number,
): Promise<'held' | 'lost'> {
  const changed = await tx.run(
    'UPDATE job SET task_until = ? WHERE tenant = ? AND job_id = ? AND task_fence = ? AND task_kind IS NOT NULL',
    time.tickMs + leaseMs,
    lease.tenant,
    lease.jobId,
    lease.fence,
  );
  return changed === 1 ? 'held' : 'lost';
}
