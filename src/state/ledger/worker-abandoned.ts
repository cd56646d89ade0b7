import type { Time } from './ledger.ts';
import { release } from './release.ts';
import type { ShardRecord } from './shard-record.ts';
import type { Transaction } from './transaction.ts';

/**
 * The worker ended because its manager did: what it held is given back untouched, and nothing is counted. Otherwise
 * whoever kills a manager often enough would fail its jobs.
 */
export async function workerAbandoned(tx: Transaction, worker: string, time: Time): Promise<number> {
  const shards = await tx.all<ShardRecord>(
    "SELECT * FROM shard WHERE state = 'leased' AND worker = ? ORDER BY tenant, job_id, shard_id",
    worker,
  );
  for (const { tenant, job_id, shard_id, attempt } of shards) {
    await release(tx, { tenant, jobId: job_id, shardId: shard_id, attempt }, time);
  }
  const tasks = await tx.run(
    `UPDATE job SET task_kind = NULL, task_worker = NULL, task_request_id = NULL, task_until = NULL
      WHERE ended_ms IS NULL AND task_worker = ?`,
    worker,
  );
  return shards.length + tasks;
}
