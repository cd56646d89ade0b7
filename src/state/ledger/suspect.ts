import { Failure } from '../../core/errors.ts';
import type { LeaseRef } from '../../core/lease.ts';
import type { RowRange } from '../../core/snapshot.ts';
import type { Time } from './ledger.ts';
import { leasedShard } from './shard-record.ts';
import { exactlyOne, type Transaction } from './transaction.ts';

/** The last range noted counts; null: no rows are in the model. Noting one does not lengthen the lease. */
export async function suspect(
  tx: Transaction,
  lease: LeaseRef,
  range: RowRange | null,
  _time: Time,
): Promise<'noted' | 'fenced'> {
  const shard = await leasedShard(tx, lease);
  if (shard === undefined) return 'fenced';
  if (
    range !== null &&
    !(shard.row_start <= range.start && range.start < range.end && range.end <= shard.row_end)
  ) {
    throw new Failure(
      'REQUEST_INVALID',
      `Rows ${range.start} to ${range.end} do not lie in the shard of rows ${shard.row_start} to ${shard.row_end}.`,
    );
  }
  exactlyOne(
    await tx.run(
      `UPDATE shard SET suspect_start = ?, suspect_end = ?
        WHERE tenant = ? AND job_id = ? AND shard_id = ? AND attempt = ? AND state = 'leased'`,
      range?.start ?? null,
      range?.end ?? null,
      lease.tenant,
      lease.jobId,
      lease.shardId,
      lease.attempt,
    ),
  );
  return 'noted';
}
