import { Failure } from '../../core/errors.ts';
import type { TaskRef } from '../../core/lease.ts';
import { existingJob, jobRecord } from './job-record.ts';
import type { PlanInput, Time } from './ledger.ts';
import { moveJob } from './move-job.ts';
import { ownRejectLimit, storeBase } from './retry-base.ts';
import { insertReadyShard } from './shard-record.ts';
import { exactlyOne, type Transaction } from './transaction.ts';

/**
 * The shards have to tile rows 0 up to the last shard's end without gap or overlap; that end is the job's row count
 * (fewer than the snapshot's where the job reads only its first rows), and what a share of the error budget is taken of.
 */
export async function plan(
  tx: Transaction,
  lease: TaskRef,
  input: PlanInput,
  time: Time,
): Promise<'accepted' | 'fenced'> {
  const job = await jobRecord(tx, lease.tenant, lease.jobId);
  if (job === undefined) return 'fenced';
  if (job.planned_fence === lease.fence) return 'accepted';
  if (job.task_fence !== lease.fence || job.task_kind !== 'pin') return 'fenced';

  const rows = tiledRows(input);
  await storeSnapshot(tx, lease, input);
  if (input.base !== undefined) await storeBase(tx, lease, input.base, rows);
  for (const [shardId, range] of input.shards.entries()) {
    await insertReadyShard(tx, {
      tenant: lease.tenant,
      jobId: lease.jobId,
      shardId,
      splitFrom: null,
      range,
      attempt: 0,
      failures: 0,
      careful: false,
      notBefore: null,
    });
  }
  exactlyOne(
    await tx.run(
      `UPDATE job SET bound = ?, total_rows = ?, reject_limit = ?, shards_total = ?, next_shard_id = ?, planned_fence = ?
        WHERE tenant = ? AND job_id = ? AND task_fence = ? AND task_kind = 'pin'`,
      JSON.stringify(input.bound),
      rows,
      ownRejectLimit(JSON.parse(job.error_budget), rows, input.base?.counts ?? null),
      input.shards.length,
      input.shards.length,
      lease.fence,
      lease.tenant,
      lease.jobId,
      lease.fence,
    ),
  );
  const planned = await existingJob(tx, lease.tenant, lease.jobId);
  await moveJob(tx, planned, rows === 0 ? 'completing' : 'running', time.nowMs);
  return 'accepted';
}

function tiledRows(input: PlanInput): number {
  let row = 0;
  for (const { start, end } of input.shards) {
    if (start !== row || end <= start) {
      throw new Failure(
        'REQUEST_INVALID',
        `The shard of rows ${start} to ${end} does not follow on row ${row}.`,
      );
    }
    row = end;
  }
  const { rows, files } = input.snapshot;
  if (files.reduce((sum, file) => sum + file.rows, 0) !== rows) {
    throw new Failure('REQUEST_INVALID', `The files of the snapshot do not add up to its ${rows} rows.`);
  }
  if (row > rows || (row === 0 && rows > 0)) {
    throw new Failure('REQUEST_INVALID', `The shards cover ${row} rows of a snapshot of ${rows}.`);
  }
  return row;
}

async function storeSnapshot(
  tx: Transaction,
  { tenant, jobId }: TaskRef,
  { snapshot }: PlanInput,
): Promise<void> {
  await tx.run(
    'INSERT INTO snapshot (tenant, job_id, rows, columns, prepared) VALUES (?, ?, ?, ?, ?)',
    tenant,
    jobId,
    snapshot.rows,
    JSON.stringify(snapshot.columns),
    snapshot.prepared === undefined ? null : JSON.stringify(snapshot.prepared),
  );
  for (const [position, file] of snapshot.files.entries()) {
    await tx.run(
      `INSERT INTO snapshot_file (tenant, job_id, position, key, size_bytes, mtime_ns, footer_sha256, rows, row_groups, original_file, partition_values)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      tenant,
      jobId,
      position,
      file.key,
      file.identity.sizeBytes,
      file.identity.mtimeNs,
      file.identity.footerSha256,
      file.rows,
      JSON.stringify(file.rowGroups),
      file.original === undefined ? null : JSON.stringify(file.original),
      file.partition === undefined ? null : JSON.stringify(file.partition),
    );
  }
}
