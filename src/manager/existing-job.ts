import { unknownJob } from '../core/job-refusals.ts';
import type { JobRow, Ledger } from '../state/ledger/ledger.ts';

/** Fails with JOB_NOT_FOUND. */
export async function existingJob(
  tenant: string,
  jobId: string,
  ledger: Pick<Ledger, 'job'>,
): Promise<JobRow> {
  const job = await ledger.job(tenant, jobId);
  if (job === null) throw unknownJob(jobId);
  return job;
}
