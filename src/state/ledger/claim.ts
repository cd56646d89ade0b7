import type { FailureReport } from '../../core/errors.ts';
import type { Lease } from '../../core/lease.ts';
import { type JobRecord, jobRecord } from './job-record.ts';
import type { ClaimInput } from './ledger.ts';
import { rangeOf, type ShardRecord } from './shard-record.ts';
import { exactlyOne, type Transaction } from './transaction.ts';

/** Null: nothing is ready now, or the job is not running. */
export async function claim(tx: Transaction, input: ClaimInput): Promise<Lease | null> {
  const { tenant, jobId, worker, requestId, time } = input;
  const job = await jobRecord(tx, tenant, jobId);
  if (job === undefined || job.state !== 'running') return null;

  const mine = await tx.get<ShardRecord>(
    "SELECT * FROM shard WHERE tenant = ? AND job_id = ? AND worker = ? AND request_id = ? AND state = 'leased'",
    tenant,
    jobId,
    worker,
    requestId,
  );
  if (mine !== undefined) return toLease(job, mine, mine.attempt);

  const shard = await tx.get<ShardRecord>(
    `SELECT * FROM shard WHERE tenant = ? AND job_id = ? AND state = 'ready' AND (not_before IS NULL OR not_before <= ?)
      ORDER BY shard_id LIMIT 1`,
    tenant,
    jobId,
    time.tickMs,
  );
  if (shard === undefined) return null;
  const attempt = shard.attempt + 1;
  exactlyOne(
    await tx.run(
      `UPDATE shard SET state = 'leased', attempt = ?, worker = ?, request_id = ?, lease_until = ?, not_before = NULL,
              suspect_start = NULL, suspect_end = NULL, progress_rows = 0, progress_rejected = 0
        WHERE tenant = ? AND job_id = ? AND shard_id = ? AND attempt = ? AND state = 'ready'`,
      attempt,
      worker,
      requestId,
      time.tickMs + input.leaseMs,
      tenant,
      jobId,
      shard.shard_id,
      shard.attempt,
    ),
  );
  if (job.first_claim_ms === null) {
    await tx.run(
      'UPDATE job SET first_claim_ms = ? WHERE tenant = ? AND job_id = ?',
      time.nowMs,
      tenant,
      jobId,
    );
  }
  return toLease(job, shard, attempt);
}

function toLease(job: JobRecord, shard: ShardRecord, attempt: number): Lease {
  return {
    tenant: shard.tenant,
    jobId: shard.job_id,
    shardId: shard.shard_id,
    attempt,
    range: rangeOf(shard),
    careful: shard.careful === 1,
    condemned: shard.condemned === null ? null : (JSON.parse(shard.condemned) as FailureReport),
    rejectsLeft: (job.reject_limit ?? 0) - job.rows_rejected,
  };
}
