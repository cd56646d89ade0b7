import type { Counts } from '../../core/counts.ts';
import { rejectLimit } from '../../core/failure-rules.ts';
import type { TaskRef } from '../../core/lease.ts';
import { type RetryBase, requireBaseBalances } from '../../core/retry.ts';
import type { Transaction } from './transaction.ts';

/** What a partial retry takes over; null: the job is none, or is not planned yet. */
export async function retryBase(tx: Transaction, tenant: string, jobId: string): Promise<RetryBase | null> {
  const found = await tx.get<{ base: string }>(
    'SELECT base FROM retry_base WHERE tenant = ? AND job_id = ?',
    tenant,
    jobId,
  );
  return found === undefined ? null : (JSON.parse(found.base) as RetryBase);
}

/** Rows that a partial retry takes over, by what became of them; null: it takes over none. */
export async function takenOver(
  tx: Transaction,
  { tenant, job_id }: { readonly tenant: string; readonly job_id: string },
): Promise<Counts | null> {
  const counts = await tx.get<Counts>(
    `SELECT rows_read AS read, rows_scored AS scored, rows_rejected AS rejected, rows_filtered AS filtered
       FROM retry_base WHERE tenant = ? AND job_id = ?`,
    tenant,
    job_id,
  );
  return counts ?? null;
}

/** Fails with ACCOUNTING unless base and own rows are the rows of the parent, with all that it took over itself. */
export async function storeBase(
  tx: Transaction,
  { tenant, jobId }: TaskRef,
  base: RetryBase,
  ownRows: number,
): Promise<void> {
  const parent = await tx.get<{ tenant: string; job_id: string; total_rows: number | null }>(
    `SELECT parent.tenant, parent.job_id, parent.total_rows FROM job
       JOIN job parent ON parent.tenant = job.tenant AND parent.job_id = job.retry_of
      WHERE job.tenant = ? AND job.job_id = ?`,
    tenant,
    jobId,
  );
  if (parent === undefined) throw new Error(`job ${jobId} takes something over and is no retry`);
  const parentTook = await takenOver(tx, parent);
  requireBaseBalances(base, ownRows, (parent.total_rows ?? 0) + (parentTook?.read ?? 0));
  const { read, scored, rejected, filtered } = base.counts;
  await tx.run(
    `INSERT INTO retry_base (tenant, job_id, rows_read, rows_scored, rows_rejected, rows_filtered, base)
     VALUES (?, ?, ?, ?, ?, ?, ?)`,
    tenant,
    jobId,
    read,
    scored,
    rejected,
    filtered,
    JSON.stringify(base),
  );
}

/**
 * Rejects that a job's own rows may have: what its budget allows for the whole result, less what is taken over as
 * rejected. Never below 0: the budget may have become smaller since.
 */
export function ownRejectLimit(
  budget: Parameters<typeof rejectLimit>[0],
  ownRows: number,
  taken: Counts | null,
): number {
  if (taken === null) return rejectLimit(budget, ownRows);
  return Math.max(0, rejectLimit(budget, taken.read + ownRows) - taken.rejected);
}
