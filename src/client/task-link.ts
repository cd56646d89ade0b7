import type { TaskRef } from '../core/lease.ts';
import type { TaskLink } from '../core/task-link.ts';
import { createTransport, type TransportOptions } from './transport.ts';

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
