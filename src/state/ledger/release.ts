import type { LeaseRef } from '../../core/lease.ts';
import type { Time } from './ledger.ts';
import type { Transaction } from './transaction.ts';

export async function release(tx: Transaction, lease: LeaseRef, _time: Time): Promise<'released' | 'fenced'> {
  const changed = await tx.run(
    `UPDATE shard SET state = 'ready', worker = NULL, request_id = NULL, lease_until = NULL, suspect_start = NULL,
            suspect_end = NULL, progress_rows = 0, progress_rejected = 0
      WHERE tenant = ? AND job_id = ? AND shard_id = ? AND attempt = ? AND state = 'leased'`,
    lease.tenant,
    lease.jobId,
    lease.shardId,
    lease.attempt,
  );
  return changed === 1 ? 'released' : 'fenced';
}
