import type { PartRow, StoredFile } from '../../core/lease.ts';
import type { ShardRow } from './ledger.ts';
import { rangeOf, type ShardRecord } from './shard-record.ts';
import type { Transaction } from './transaction.ts';

/** All shards, also those that are split, in the order in which they came to be. */
export async function shards(tx: Transaction, tenant: string, jobId: string): Promise<ShardRow[]> {
  const records = await tx.all<ShardRecord>(
    'SELECT * FROM shard WHERE tenant = ? AND job_id = ? ORDER BY shard_id',
    tenant,
    jobId,
  );
  return records.map((shard) => ({
    shardId: shard.shard_id,
    range: rangeOf(shard),
    state: shard.state,
    attempt: shard.attempt,
    failures: shard.failures,
    worker: shard.worker,
  }));
}

export async function parts(tx: Transaction, tenant: string, jobId: string): Promise<PartRow[]> {
  const records = await tx.all<ShardRecord>(
    `SELECT * FROM shard WHERE tenant = ? AND job_id = ? AND state = 'accepted' AND rows_scored + rows_rejected > 0
      ORDER BY row_start`,
    tenant,
    jobId,
  );
  return records.map((shard) => ({
    shardId: shard.shard_id,
    attempt: shard.attempt,
    range: rangeOf(shard),
    counts: {
      read: shard.rows_read as number,
      scored: shard.rows_scored as number,
      rejected: shard.rows_rejected as number,
      filtered: shard.rows_filtered as number,
    },
    part: shard.part === null ? null : (JSON.parse(shard.part) as StoredFile),
    rejects: shard.rejects === null ? null : (JSON.parse(shard.rejects) as StoredFile),
  }));
}
