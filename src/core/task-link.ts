import type { BoundJob } from './bound.ts';
import type { FailureReport } from './errors.ts';
import type { PublishedInput, TaskRef } from './lease.ts';
import type { RetryBase } from './retry.ts';
import type { Snapshot } from './snapshot.ts';
import type { TaskAnswer } from './wire.ts';

/** What a task process asks of its manager: one method for each route below `/api/v1/task`. Every call may be repeated. */
export interface TaskLink {
  claim(worker: string, requestId: string): Promise<TaskAnswer>;
  /** Tried once: a renewal that takes longer than `timeoutMs` is worth less than the next one. */
  renew(lease: TaskRef, timeoutMs: number): Promise<'held' | 'lost'>;
  pinned(
    lease: TaskRef,
    snapshot: Snapshot,
    bound: BoundJob,
    base?: RetryBase,
  ): Promise<'accepted' | 'fenced'>;
  audited(lease: TaskRef, checks: unknown): Promise<'accepted' | 'fenced'>;
  published(lease: TaskRef, result: PublishedInput): Promise<'accepted' | 'fenced'>;
  fail(lease: TaskRef, report: FailureReport, permanent: boolean): Promise<'retrying' | 'failed' | 'fenced'>;
}
