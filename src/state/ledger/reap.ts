import type { JobRecord } from './job-record.ts';
import type { Time } from './ledger.ts';
import type { ShardRecord } from './shard-record.ts';
import { silence, takeBack } from './take-back.ts';
import type { Transaction } from './transaction.ts';

export async function reap(tx: Transaction, time: Time): Promise<number> {
  const shards = await tx.all<ShardRecord>(
    "SELECT * FROM shard WHERE state = 'leased' AND lease_until < ? ORDER BY lease_until, tenant, job_id, shard_id",
    time.tickMs,
  );
  const jobs = await tx.all<JobRecord>(
    'SELECT * FROM job WHERE ended_ms IS NULL AND task_until < ? ORDER BY task_until, tenant, job_id',
    time.tickMs,
  );
  return takeBack(tx, shards, jobs, silence, time);
}
