import type { Time } from './ledger.ts';
import type { Transaction } from './transaction.ts';

/** Reckoned in wall clock time, as it spans restarts. */
export async function expired(tx: Transaction, time: Time): Promise<{ tenant: string; jobId: string }[]> {
  const jobs = await tx.all<{ tenant: string; job_id: string }>(
    `SELECT tenant, job_id FROM job
      WHERE ended_ms IS NOT NULL AND cleaned_ms IS NULL AND ended_ms + keep_staging_ms <= ?
        AND NOT EXISTS (SELECT 1 FROM job retry WHERE retry.tenant = job.tenant AND retry.retry_of = job.job_id AND retry.ended_ms IS NULL)
      ORDER BY ended_ms, tenant, job_id`,
    time.nowMs,
  );
  return jobs.map(({ tenant, job_id }) => ({ tenant, jobId: job_id }));
}

/** Does nothing for a job that has not ended, or was cleaned before. */
export async function cleaned(tx: Transaction, tenant: string, jobId: string, time: Time): Promise<void> {
  await tx.run(
    'UPDATE job SET cleaned_ms = ? WHERE tenant = ? AND job_id = ? AND ended_ms IS NOT NULL AND cleaned_ms IS NULL',
    time.nowMs,
    tenant,
    jobId,
  );
}
