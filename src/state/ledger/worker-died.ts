import type { FailureReport } from '../../core/errors.ts';
import type { JobRecord } from './job-record.ts';
import type { Time } from './ledger.ts';
import type { ShardRecord } from './shard-record.ts';
import { takeBack } from './take-back.ts';
import type { Transaction } from './transaction.ts';

/** Shards and tasks alike. Names of workers are unique over all tenants and for all time. */
export async function workerDied(
  tx: Transaction,
  worker: string,
  failure: FailureReport,
  time: Time,
): Promise<number> {
  const shards = await tx.all<ShardRecord>(
    "SELECT * FROM shard WHERE state = 'leased' AND worker = ? ORDER BY tenant, job_id, shard_id",
    worker,
  );
  const jobs = await tx.all<JobRecord>(
    'SELECT * FROM job WHERE ended_ms IS NULL AND task_worker = ? ORDER BY tenant, job_id',
    worker,
  );
  return takeBack(tx, shards, jobs, () => failure, time);
}
