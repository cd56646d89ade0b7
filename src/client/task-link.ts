import type { BoundJob } from '../core/bound.ts';
import type { FailureReport } from '../core/errors.ts';
import type { PublishedInput, TaskRef } from '../core/lease.ts';
import type { Snapshot } from '../core/snapshot.ts';
import type { TaskAnswer } from '../core/wire.ts';
import { createTransport, type TransportOptions } from './transport.ts';

/** A task process's side of the protocol, one method for each route below `/api/v1/task`. */
export interface TaskLink {
  claim(worker: string, requestId: string): Promise<TaskAnswer>;
  renew(lease: TaskRef): Promise<'held' | 'lost'>;
  pinned(lease: TaskRef, snapshot: Snapshot, bound: BoundJob): Promise<'accepted' | 'fenced'>;
  audited(lease: TaskRef, checks: unknown): Promise<'accepted' | 'fenced'>;
  published(lease: TaskRef, result: PublishedInput): Promise<'accepted' | 'fenced'>;
  fail(lease: TaskRef, report: FailureReport, permanent: boolean): Promise<'retrying' | 'failed' | 'fenced'>;
}

export function createTaskLink(options: TransportOptions): TaskLink {
  const call = createTransport(options);
  const post = async <Answer>(verb: string, body: unknown): Promise<Answer> => {
    const { answer } = await call<{ answer: Answer }>('POST', `/api/v1/task/${verb}`, body);
    return answer;
  };
  return {
    claim: (worker, requestId) => post('claim', { worker, requestId }),
    renew: (lease) => post('renew', { lease: refOf(lease) }),
    pinned: (lease, snapshot, bound) => post('pinned', { lease: refOf(lease), snapshot, bound }),
    audited: (lease, checks) => post('audited', { lease: refOf(lease), checks }),
    published: (lease, result) => post('published', { lease: refOf(lease), result }),
    fail: (lease, report, permanent) => post('fail', { lease: refOf(lease), report, permanent }),
  };
}

function refOf({ tenant, jobId, fence }: TaskRef): TaskRef {
  return { tenant, jobId, fence };
}
