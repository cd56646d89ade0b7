import type { FailureReport } from '../../core/errors.ts';
import type { PublishedInput } from '../../core/lease.ts';
import { isTerminal, JOB_TRANSITIONS, type JobState } from '../../core/states.ts';
import type { JobRecord } from './job-record.ts';
import { recordEvent } from './record-event.ts';
import { exactlyOne, type Transaction } from './transaction.ts';

/**
 * The one place where a job changes state. The task lease ends with the state it was given for. With a terminal state all
 * shard leases end too, so whoever still holds one is fenced off.
 */
export async function moveJob(
  tx: Transaction,
  job: JobRecord,
  to: JobState,
  nowMs: number,
  outcome: { readonly error?: FailureReport; readonly published?: PublishedInput } = {},
): Promise<void> {
  if (!JOB_TRANSITIONS[job.state].includes(to))
    throw new Error(`job ${job.job_id} cannot go from ${job.state} to ${to}`);
  const ends = isTerminal(to);
  if (ends) {
    await tx.run(
      `UPDATE shard SET state = 'ready', worker = NULL, request_id = NULL, lease_until = NULL, suspect_start = NULL,
              suspect_end = NULL, progress_rows = 0, progress_rejected = 0
        WHERE tenant = ? AND job_id = ? AND state = 'leased'`,
      job.tenant,
      job.job_id,
    );
  }
  exactlyOne(
    await tx.run(
      `UPDATE job SET state = ?, state_times = ?, ended_ms = ?, error = ?, published = ?, task_kind = NULL, task_worker = NULL,
              task_request_id = NULL, task_until = NULL, task_not_before = NULL, task_failures = 0
        WHERE tenant = ? AND job_id = ? AND state = ?`,
      to,
      JSON.stringify({ ...JSON.parse(job.state_times), [to]: nowMs }),
      ends ? nowMs : null,
      outcome.error === undefined ? null : JSON.stringify(outcome.error),
      outcome.published === undefined ? null : JSON.stringify(outcome.published),
      job.tenant,
      job.job_id,
      job.state,
    ),
  );
  await recordEvent(tx, job, `job.${to}`, outcome.error ?? outcome.published ?? {}, nowMs);
}
