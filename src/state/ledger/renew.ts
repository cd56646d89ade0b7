import type { LeaseRef, Progress, RenewAnswer } from '../../core/lease.ts';
import type { Time } from './ledger.ts';
import type { Transaction } from './transaction.ts';

/** A lease that has run out but was not taken back yet can still be renewed: nobody else has the shard. */
export async function renew(
  tx: Transaction,
  lease: LeaseRef,
  progress: Progress,
  time: Time,
  leaseMs: number,
): Promise<RenewAnswer> {
  const changed = await tx.run(
    `UPDATE shard SET lease_until = ?, progress_rows = ?, progress_rejected = ?
      WHERE tenant = ? AND job_id = ? AND shard_id = ? AND attempt = ? AND state = 'leased'`,
    time.tickMs + leaseMs,
    progress.rows,
    progress.rejected,
    lease.tenant,
    lease.jobId,
    lease.shardId,
    lease.attempt,
  );
  return changed === 1 ? 'held' : 'lost';
}
