import { addCounts, countsBalance, NO_ROWS } from '../../core/counts.ts';
import { Failure } from '../../core/errors.ts';
import type { JobRecord } from './job-record.ts';
import type { ShardRecord } from './shard-record.ts';
import type { Transaction } from './transaction.ts';

/**
 * Throws ACCOUNTING unless the accepted shards themselves, not the job's running totals, cover rows 0 to `total_rows` once
 * each and their counts add up to the job's.
 */
export async function checkAccounts(tx: Transaction, job: JobRecord): Promise<void> {
  const shards = await tx.all<ShardRecord>(
    "SELECT * FROM shard WHERE tenant = ? AND job_id = ? AND state <> 'split' ORDER BY row_start",
    job.tenant,
    job.job_id,
  );
  let row = 0;
  let counts = NO_ROWS;
  for (const shard of shards) {
    if (shard.state !== 'accepted')
      throw unbalanced(job, `rows ${shard.row_start} to ${shard.row_end} are ${shard.state}`);
    if (shard.row_start !== row) throw unbalanced(job, `after row ${row} comes row ${shard.row_start}`);
    row = shard.row_end;
    counts = addCounts(counts, {
      read: shard.rows_read ?? 0,
      scored: shard.rows_scored ?? 0,
      rejected: shard.rows_rejected ?? 0,
      filtered: shard.rows_filtered ?? 0,
    });
  }
  if (row !== job.total_rows) throw unbalanced(job, `the shards end at row ${row} of ${job.total_rows}`);
  const same =
    counts.read === job.rows_read &&
    counts.scored === job.rows_scored &&
    counts.rejected === job.rows_rejected &&
    counts.filtered === job.rows_filtered;
  if (!same || counts.read !== job.total_rows || !countsBalance(counts)) {
    throw unbalanced(
      job,
      `${counts.read} read, ${counts.scored} scored, ${counts.rejected} rejected, ${counts.filtered} filtered`,
    );
  }
}

function unbalanced(job: JobRecord, what: string): Failure {
  return new Failure(
    'ACCOUNTING',
    `The accepted rows of job ${job.job_id} are not its ${job.total_rows} rows: ${what}.`,
  );
}
