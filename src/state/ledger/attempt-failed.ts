import type { FailureReport } from '../../core/errors.ts';
import { afterFailedAttempt, type Trouble, type Verdict } from '../../core/failure-rules.ts';
import { existingJob } from './job-record.ts';
import type { Time } from './ledger.ts';
import { moveJob } from './move-job.ts';
import { recordEvent } from './record-event.ts';
import { insertReadyShard, rangeOf, type ShardRecord } from './shard-record.ts';
import { exactlyOne, type Transaction } from './transaction.ts';

/** Ends the lease of `shard` as a failed attempt; `core/failure-rules.ts` says what follows. */
export async function attemptFailed(
  tx: Transaction,
  shard: ShardRecord,
  trouble: Trouble,
  time: Time,
): Promise<'retrying' | 'exhausted'> {
  const job = await existingJob(tx, shard.tenant, shard.job_id);
  const history = {
    range: rangeOf(shard),
    careful: shard.careful === 1,
    condemned: shard.condemned === null ? null : (JSON.parse(shard.condemned) as FailureReport),
    failures: shard.failures,
    deaths: shard.deaths,
  };
  const verdict = afterFailedAttempt(history, trouble, job.retry_count, tx.float());
  if (verdict.next === 'fail-job') {
    await moveJob(tx, job, 'failed', time.nowMs, { error: verdict.report });
    return 'exhausted';
  }
  await tx.run(
    'UPDATE job SET retries = retries + 1 WHERE tenant = ? AND job_id = ?',
    job.tenant,
    job.job_id,
  );
  if (verdict.next === 'retry') await backToReady(tx, shard, verdict, time);
  else await cut(tx, shard, verdict, job.next_shard_id, time);
  const { shard_id, attempt, worker } = shard;
  const data = { shardId: shard_id, attempt, worker, report: trouble.report, suspect: trouble.suspect };
  await recordEvent(tx, job, verdict.next === 'cut' ? 'shard.cut' : 'shard.retrying', data, time.nowMs);
  if (verdict.next === 'retry' && verdict.condemned !== null && history.condemned === null) {
    await recordEvent(
      tx,
      job,
      'shard.condemned',
      { shardId: shard_id, report: verdict.condemned },
      time.nowMs,
    );
  }
  return 'retrying';
}

async function backToReady(
  tx: Transaction,
  shard: ShardRecord,
  verdict: Extract<Verdict, { next: 'retry' }>,
  time: Time,
): Promise<void> {
  exactlyOne(
    await tx.run(
      `UPDATE shard SET state = 'ready', worker = NULL, request_id = NULL, lease_until = NULL, suspect_start = NULL,
              suspect_end = NULL, progress_rows = 0, progress_rejected = 0, failures = ?, deaths = ?, careful = ?, condemned = ?,
              not_before = ?
        WHERE tenant = ? AND job_id = ? AND shard_id = ? AND attempt = ? AND state = 'leased'`,
      verdict.failures,
      verdict.deaths,
      verdict.careful ? 1 : 0,
      verdict.condemned === null ? null : JSON.stringify(verdict.condemned),
      time.tickMs + verdict.delayMs,
      shard.tenant,
      shard.job_id,
      shard.shard_id,
      shard.attempt,
    ),
  );
}

/** [a, b) with suspect [s, e) becomes [a, s), [s, e), [e, b), as far as they have rows. */
async function cut(
  tx: Transaction,
  shard: ShardRecord,
  verdict: Extract<Verdict, { next: 'cut' }>,
  firstId: number,
  time: Time,
): Promise<void> {
  exactlyOne(
    await tx.run(
      `UPDATE shard SET state = 'split', worker = NULL, request_id = NULL, lease_until = NULL, suspect_start = NULL,
              suspect_end = NULL, progress_rows = 0, progress_rejected = 0
        WHERE tenant = ? AND job_id = ? AND shard_id = ? AND attempt = ? AND state = 'leased'`,
      shard.tenant,
      shard.job_id,
      shard.shard_id,
      shard.attempt,
    ),
  );
  const { start, end } = verdict.suspect;
  const pieces = [
    { range: { start: shard.row_start, end: start }, suspect: false },
    { range: { start, end }, suspect: true },
    { range: { start: end, end: shard.row_end }, suspect: false },
  ].filter((piece) => piece.range.start < piece.range.end);
  for (const [index, piece] of pieces.entries()) {
    await insertReadyShard(tx, {
      tenant: shard.tenant,
      jobId: shard.job_id,
      shardId: firstId + index,
      splitFrom: shard.shard_id,
      range: piece.range,
      attempt: shard.attempt,
      failures: piece.suspect ? verdict.failures : 0,
      careful: piece.suspect,
      notBefore: piece.suspect ? time.tickMs + verdict.delayMs : null,
    });
  }
  exactlyOne(
    await tx.run(
      `UPDATE job SET shards_total = shards_total + ?, next_shard_id = next_shard_id + ?
        WHERE tenant = ? AND job_id = ?`,
      pieces.length - 1,
      pieces.length,
      shard.tenant,
      shard.job_id,
    ),
  );
}
