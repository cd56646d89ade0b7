import type { TaskLease } from '../../core/lease.ts';
import type { TaskKind } from '../../core/states.ts';
import { existingJob, type JobRecord, jobRecord } from './job-record.ts';
import type { ClaimTaskInput } from './ledger.ts';
import { moveJob } from './move-job.ts';
import { exactlyOne, type Transaction } from './transaction.ts';

/** Null: the job's state asks for no task, another worker has it, or it is too early to try again. */
export async function claimTask(tx: Transaction, input: ClaimTaskInput): Promise<TaskLease | null> {
  const { tenant, jobId, worker, requestId, time } = input;
  let job = await jobRecord(tx, tenant, jobId);
  if (job === undefined) return null;
  if (job.task_kind !== null) {
    const mine = job.task_worker === worker && job.task_request_id === requestId;
    return mine ? { tenant, jobId, fence: job.task_fence, kind: job.task_kind } : null;
  }
  const kind = taskOf(job);
  if (kind === null || (job.task_not_before !== null && job.task_not_before > time.tickMs)) return null;
  if (job.state === 'submitted') {
    await moveJob(tx, job, 'preparing', time.nowMs);
    job = await existingJob(tx, tenant, jobId);
  }
  const fence = job.task_fence + 1;
  exactlyOne(
    await tx.run(
      `UPDATE job SET task_fence = ?, task_kind = ?, task_worker = ?, task_request_id = ?, task_until = ?, task_not_before = NULL
        WHERE tenant = ? AND job_id = ? AND task_kind IS NULL AND task_fence = ?`,
      fence,
      kind,
      worker,
      requestId,
      time.tickMs + input.leaseMs,
      tenant,
      jobId,
      job.task_fence,
    ),
  );
  return { tenant, jobId, fence, kind };
}

function taskOf(job: JobRecord): TaskKind | null {
  if (job.state === 'submitted' || job.state === 'preparing') return 'pin';
  if (job.state === 'completing') return job.audited_fence === null ? 'audit' : 'publish';
  return null;
}
