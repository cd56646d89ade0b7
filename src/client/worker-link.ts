import type { AttemptReports } from '../core/attempt-reports.ts';
import type { FailureReport } from '../core/errors.ts';
import type { LeaseRef, Progress, RenewAnswer } from '../core/lease.ts';
import type { ClaimAnswer, WorkerContextAnswer } from '../core/wire.ts';
import { createTransport, type TransportOptions } from './transport.ts';

/** The worker's side of the protocol, one method for each route below `/api/v1/worker`. */
export interface WorkerLink extends AttemptReports {
  context(): Promise<WorkerContextAnswer>;
  claim(worker: string, requestId: string): Promise<ClaimAnswer>;
  renew(lease: LeaseRef, progress: Progress): Promise<RenewAnswer>;
  startFailed(worker: string, report: FailureReport): Promise<void>;
}

export function createWorkerLink(options: TransportOptions): WorkerLink {
  const call = createTransport(options);
  const post = async <Answer>(verb: string, body: unknown): Promise<Answer> => {
    const { answer } = await call<{ answer: Answer }>('POST', `/api/v1/worker/${verb}`, body);
    return answer;
  };
  return {
    context: () => post('context', {}),
    claim: (worker, requestId) => post('claim', { worker, requestId }),
    renew: (lease, progress) => post('renew', { lease: refOf(lease), progress }),
    suspect: (lease, range) => post('suspect', { lease: refOf(lease), range }),
    complete: (lease, completion) => post('complete', { lease: refOf(lease), completion }),
    split: (lease, completion) => post('split', { lease: refOf(lease), completion }),
    release: (lease) => post('release', { lease: refOf(lease) }),
    fail: (lease, failure) => post('fail', { lease: refOf(lease), failure }),
    startFailed: (worker, report) => post('start-failed', { worker, report }),
  };
}

function refOf({ tenant, jobId, shardId, attempt }: LeaseRef): LeaseRef {
  return { tenant, jobId, shardId, attempt };
}
