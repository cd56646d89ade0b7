import { Failure, type FailureReport } from '../../core/errors.ts';
import { backoffMs, isPermanent } from '../../core/failure-rules.ts';
import type { TaskFailure, TaskRef } from '../../core/lease.ts';
import { type JobRecord, jobRecord } from './job-record.ts';
import type { Time } from './ledger.ts';
import { moveJob } from './move-job.ts';
import { recordEvent } from './record-event.ts';
import { exactlyOne, type Transaction } from './transaction.ts';

export async function failTask(
  tx: Transaction,
  lease: TaskRef,
  failure: TaskFailure,
  time: Time,
): Promise<'retrying' | 'failed' | 'fenced'> {
  const job = await jobRecord(tx, lease.tenant, lease.jobId);
  if (job === undefined || job.task_fence !== lease.fence || job.task_kind === null) return 'fenced';
  if (isPermanent(failure.report.code, failure.permanent)) {
    await moveJob(tx, job, 'failed', time.nowMs, { error: failure.report });
    return 'failed';
  }
  return retryTask(tx, job, failure.report, job.retry_count, time);
}

/**
 * The task's process is gone or silent. A publish that died may have become visible: what it did is unknown, never a
 * failure, so it is tried (and probed) again without limit.
 */
export function taskDied(
  tx: Transaction,
  job: JobRecord,
  report: FailureReport,
  time: Time,
): Promise<'retrying' | 'failed'> {
  const limit = job.task_kind === 'publish' ? Number.POSITIVE_INFINITY : job.retry_count;
  return retryTask(tx, job, report, limit, time);
}

async function retryTask(
  tx: Transaction,
  job: JobRecord,
  report: FailureReport,
  limit: number,
  time: Time,
): Promise<'retrying' | 'failed'> {
  const failures = job.task_failures + 1;
  if (failures > limit) {
    const times = failures === 1 ? 'once' : `${failures} times`;
    const message = `The task ${job.task_kind} failed ${times}, more than config.retry_count allows; the last cause: ${report.code}: ${report.message}`;
    const error = new Failure('RETRIES_EXHAUSTED', message, {
      place: report.place,
      next: report.next,
    }).toJSON();
    await moveJob(tx, job, 'failed', time.nowMs, { error });
    return 'failed';
  }
  exactlyOne(
    await tx.run(
      `UPDATE job SET task_kind = NULL, task_worker = NULL, task_request_id = NULL, task_until = NULL, task_failures = ?,
              task_not_before = ?
        WHERE tenant = ? AND job_id = ? AND task_fence = ? AND task_kind IS NOT NULL`,
      failures,
      time.tickMs + backoffMs(failures, tx.float()),
      job.tenant,
      job.job_id,
      job.task_fence,
    ),
  );
  await recordEvent(
    tx,
    job,
    'task.retrying',
    { kind: job.task_kind, fence: job.task_fence, failures, report },
    time.nowMs,
  );
  return 'retrying';
}
