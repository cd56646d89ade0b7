import type { Completion, LeaseRef } from '../../core/lease.ts';
import { acceptPart, repeated, settleJob, wrongRange } from './accept-part.ts';
import { existingJob } from './job-record.ts';
import type { Time } from './ledger.ts';
import { insertReadyShard, leasedShard } from './shard-record.ts';
import { exactlyOne, type Transaction } from './transaction.ts';

/**
 * The leased shard shrinks to the rows that are done, and is accepted; the rows behind them become a new ready shard, which
 * keeps the attempt number (the fence grows on), the failures and the carefulness.
 */
export async function split(
  tx: Transaction,
  lease: LeaseRef,
  completion: Completion,
  time: Time,
): Promise<'accepted' | 'fenced'> {
  const { range } = completion;
  const shard = await leasedShard(tx, lease);
  if (shard === undefined) return repeated(tx, lease, range);
  const properPrefix =
    range.start === shard.row_start && range.start < range.end && range.end < shard.row_end;
  if (!properPrefix) throw wrongRange(lease, range, shard);

  await acceptPart(tx, lease, completion, time);
  const job = await existingJob(tx, lease.tenant, lease.jobId);
  await insertReadyShard(tx, {
    tenant: lease.tenant,
    jobId: lease.jobId,
    shardId: job.next_shard_id,
    splitFrom: shard.shard_id,
    range: { start: range.end, end: shard.row_end },
    attempt: shard.attempt,
    failures: shard.failures,
    careful: shard.careful === 1,
    notBefore: null,
  });
  exactlyOne(
    await tx.run(
      `UPDATE job SET shards_total = shards_total + 1, next_shard_id = next_shard_id + 1
        WHERE tenant = ? AND job_id = ?`,
      lease.tenant,
      lease.jobId,
    ),
  );
  await settleJob(tx, lease, completion, time);
  return 'accepted';
}
