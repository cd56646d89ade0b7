import type { AttemptReports } from '../core/attempt-reports.ts';
import type { FailureReport } from '../core/errors.ts';
import type { ClaimAnswer, WorkerContextAnswer } from '../core/wire.ts';

/**
 * What a worker asks of its manager. Every call may be repeated after a lost answer: the manager gives the same answer
 * again. Calls fail with MANAGER_UNREACHABLE only after they have been repeated for a while.
 */
export interface ManagerLink extends AttemptReports {
  context(): Promise<WorkerContextAnswer>;
  claim(requestId: string): Promise<ClaimAnswer>;
  /** The worker cannot work at all: a model that does not load, a runtime that is not there. */
  startFailed(report: FailureReport): Promise<void>;
}
