import { Failure, type FailureReport } from '../../core/errors.ts';
import { attemptFailed } from './attempt-failed.ts';
import { taskDied } from './fail-task.ts';
import { type JobRecord, jobRecord } from './job-record.ts';
import type { Time } from './ledger.ts';
import { leasedShard, type ShardRecord } from './shard-record.ts';
import type { Transaction } from './transaction.ts';

/**
 * Takes leases back whose holders are gone. Returns how many. One death can end a job and with it the other leases on the
 * list, so each is looked up again.
 */
export async function takeBack(
  tx: Transaction,
  shards: readonly ShardRecord[],
  jobs: readonly JobRecord[],
  reportOf: (worker: string) => FailureReport,
  time: Time,
): Promise<number> {
  let taken = 0;
  for (const { tenant, job_id, shard_id, attempt, worker } of shards) {
    const shard = await leasedShard(tx, { tenant, jobId: job_id, shardId: shard_id, attempt });
    taken += 1;
    if (shard === undefined) continue;
    const suspect =
      shard.suspect_start === null || shard.suspect_end === null
        ? null
        : { start: shard.suspect_start, end: shard.suspect_end };
    const report = reportOf(worker as string);
    await attemptFailed(tx, shard, { kind: 'death', report, suspect, permanent: false }, time);
  }
  for (const { tenant, job_id, task_fence, task_worker } of jobs) {
    const job = await jobRecord(tx, tenant, job_id);
    taken += 1;
    if (job === undefined || job.task_fence !== task_fence || job.task_kind === null) continue;
    await taskDied(tx, job, reportOf(task_worker as string), time);
  }
  return taken;
}

export function silence(worker: string): FailureReport {
  return new Failure('WORKER_LOST', `Worker ${worker} fell silent: its lease ran out.`).toJSON();
}
