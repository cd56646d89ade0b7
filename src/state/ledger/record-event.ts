import type { Transaction } from './transaction.ts';

/** Notes what happened, in the transaction in which it happens. Events of a job are numbered from 1 without gaps. */
export async function recordEvent(
  tx: Transaction,
  job: { readonly tenant: string; readonly job_id: string },
  type: string,
  data: unknown,
  nowMs: number,
): Promise<void> {
  await tx.run(
    `INSERT INTO event (tenant, job_id, seq, at_ms, type, data)
     SELECT ?, ?, COALESCE(MAX(seq), 0) + 1, ?, ?, ? FROM event WHERE tenant = ? AND job_id = ?`,
    job.tenant,
    job.job_id,
    nowMs,
    type,
    JSON.stringify(data),
    job.tenant,
    job.job_id,
  );
}
