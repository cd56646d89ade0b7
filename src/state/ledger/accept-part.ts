import { countsBalance } from '../../core/counts.ts';
import { Failure } from '../../core/errors.ts';
import type { Completion, LeaseRef, StoredFile } from '../../core/lease.ts';
import { type RowRange, rangeRows } from '../../core/snapshot.ts';
import { overBudget } from './error-budget.ts';
import { existingJob } from './job-record.ts';
import type { Time } from './ledger.ts';
import { moveJob } from './move-job.ts';
import type { ShardRecord } from './shard-record.ts';
import { exactlyOne, type Transaction } from './transaction.ts';

/**
 * Accepts a part as the rows of the leased shard, which ends at `completion.range.end` from here on. Throws ACCOUNTING if
 * the part does not answer for each row of its range.
 */
export async function acceptPart(
  tx: Transaction,
  lease: LeaseRef,
  completion: Completion,
  time: Time,
): Promise<void> {
  checkCompletion(completion);
  const { counts, timings } = completion;
  exactlyOne(
    await tx.run(
      `UPDATE shard SET state = 'accepted', row_end = ?, rows_read = ?, rows_scored = ?, rows_rejected = ?, rows_filtered = ?,
              part = ?, rejects = ?, worker = NULL, request_id = NULL, lease_until = NULL, suspect_start = NULL,
              suspect_end = NULL, progress_rows = 0, progress_rejected = 0
        WHERE tenant = ? AND job_id = ? AND shard_id = ? AND attempt = ? AND state = 'leased'`,
      completion.range.end,
      counts.read,
      counts.scored,
      counts.rejected,
      counts.filtered,
      completion.part === null ? null : JSON.stringify(completion.part),
      completion.rejects === null ? null : JSON.stringify(completion.rejects),
      lease.tenant,
      lease.jobId,
      lease.shardId,
      lease.attempt,
    ),
  );
  exactlyOne(
    await tx.run(
      `UPDATE job SET rows_read = rows_read + ?, rows_scored = rows_scored + ?, rows_rejected = rows_rejected + ?,
              rows_filtered = rows_filtered + ?, shards_accepted = shards_accepted + 1, read_ms = read_ms + ?,
              model_ms = model_ms + ?, write_ms = write_ms + ?, last_complete_ms = ?
        WHERE tenant = ? AND job_id = ? AND state = 'running'`,
      counts.read,
      counts.scored,
      counts.rejected,
      counts.filtered,
      timings.readMs,
      timings.modelMs,
      timings.writeMs,
      time.nowMs,
      lease.tenant,
      lease.jobId,
    ),
  );
}

/** After a part was accepted and the shards are as they will be: the job may be over its budget, or through. */
export async function settleJob(
  tx: Transaction,
  lease: LeaseRef,
  completion: Completion,
  time: Time,
): Promise<void> {
  const job = await existingJob(tx, lease.tenant, lease.jobId);
  const limit = job.reject_limit ?? 0;
  if (job.rows_rejected > limit) {
    const error = overBudget(job.rows_rejected, limit, completion.sampleRejects);
    await moveJob(tx, job, 'failed', time.nowMs, { error });
  } else if (job.shards_accepted === job.shards_total) {
    await moveJob(tx, job, 'completing', time.nowMs);
  }
}

/**
 * For a lease that no longer holds: a completion of the very same attempt and range was accepted before (its reply was
 * lost), or the lease is fenced off. Another range under the same attempt is a request that makes no sense.
 */
export async function repeated(
  tx: Transaction,
  lease: LeaseRef,
  range: RowRange,
): Promise<'accepted' | 'fenced'> {
  const shard = await tx.get<ShardRecord>(
    "SELECT * FROM shard WHERE tenant = ? AND job_id = ? AND shard_id = ? AND attempt = ? AND state = 'accepted'",
    lease.tenant,
    lease.jobId,
    lease.shardId,
    lease.attempt,
  );
  if (shard === undefined) return 'fenced';
  if (shard.row_start !== range.start || shard.row_end !== range.end) throw wrongRange(lease, range, shard);
  return 'accepted';
}

export function wrongRange(lease: LeaseRef, range: RowRange, shard: ShardRecord): Failure {
  return new Failure(
    'REQUEST_INVALID',
    `Attempt ${lease.attempt} at shard ${lease.shardId} says rows ${range.start} to ${range.end}; the shard is rows ${shard.row_start} to ${shard.row_end}.`,
  );
}

function checkCompletion({ range, counts, part, rejects }: Completion): void {
  const whole = [counts.read, counts.scored, counts.rejected, counts.filtered].every(
    (n) => Number.isSafeInteger(n) && n >= 0,
  );
  if (!whole || counts.read !== rangeRows(range) || !countsBalance(counts)) {
    throw unaccounted(
      range,
      `read ${counts.read}, scored ${counts.scored}, rejected ${counts.rejected}, filtered ${counts.filtered}`,
    );
  }
  checkFile(range, 'part', part, counts.scored);
  checkFile(range, 'rejects', rejects, counts.rejected);
}

function checkFile(range: RowRange, what: string, file: StoredFile | null, rows: number): void {
  if ((file?.rows ?? 0) !== rows)
    throw unaccounted(range, `the file of ${what} has ${file?.rows ?? 'no'} rows instead of ${rows}`);
}

function unaccounted(range: RowRange, what: string): Failure {
  return new Failure('ACCOUNTING', `Rows ${range.start} to ${range.end} are not accounted for: ${what}.`);
}
