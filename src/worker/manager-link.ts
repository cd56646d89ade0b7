import type { FailureReport } from '../core/errors.ts';
import type { AttemptFailure, Completion, LeaseRef } from '../core/lease.ts';
import type { RowRange } from '../core/snapshot.ts';
import type { ClaimAnswer, WorkerContextAnswer } from '../core/wire.ts';

/**
 * What a worker asks of its manager. Every call may be repeated after a lost answer: the manager gives the same answer
 * again. Calls fail with MANAGER_UNREACHABLE only after they have been repeated for a while.
 */
export interface ManagerLink {
  context(): Promise<WorkerContextAnswer>;
  claim(requestId: string): Promise<ClaimAnswer>;
  suspect(lease: LeaseRef, range: RowRange | null): Promise<'noted' | 'fenced'>;
  complete(lease: LeaseRef, completion: Completion): Promise<'accepted' | 'fenced'>;
  split(lease: LeaseRef, completion: Completion): Promise<'accepted' | 'fenced'>;
  release(lease: LeaseRef): Promise<'released' | 'fenced'>;
  fail(lease: LeaseRef, failure: AttemptFailure): Promise<'retrying' | 'exhausted' | 'fenced'>;
  /** The worker cannot work at all: a model that does not load, a runtime that is not there. */
  startFailed(report: FailureReport): Promise<void>;
}
