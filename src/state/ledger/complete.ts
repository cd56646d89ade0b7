import type { Completion, LeaseRef } from '../../core/lease.ts';
import { acceptPart, repeated, settleJob, wrongRange } from './accept-part.ts';
import type { Time } from './ledger.ts';
import { leasedShard } from './shard-record.ts';
import type { Transaction } from './transaction.ts';

export async function complete(
  tx: Transaction,
  lease: LeaseRef,
  completion: Completion,
  time: Time,
): Promise<'accepted' | 'fenced'> {
  const { range } = completion;
  const shard = await leasedShard(tx, lease);
  if (shard === undefined) return repeated(tx, lease, range);
  if (range.start !== shard.row_start || range.end !== shard.row_end) throw wrongRange(lease, range, shard);
  await acceptPart(tx, lease, completion, time);
  await settleJob(tx, lease, completion, time);
  return 'accepted';
}
