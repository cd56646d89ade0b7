import type { TaskRef } from '../core/lease.ts';
import type { TaskLink } from '../core/task-link.ts';
import { type Call, createTransport, type TransportOptions } from './transport.ts';

export function createTaskLink(options: TransportOptions): TaskLink {
  const call = createTransport(options);
  const post = async <Answer>(verb: string, body: unknown, limits?: Parameters<Call>[3]): Promise<Answer> => {
    const { answer } = await call<{ answer: Answer }>('POST', `/api/v1/task/${verb}`, body, limits);
    return answer;
  };
  return {
    claim: (worker, requestId) => post('claim', { worker, requestId }),
    renew: (lease, timeoutMs) => post('renew', { lease: refOf(lease) }, { timeoutMs, attempts: 1 }),
    pinned: (lease, snapshot, bound, base) =>
      post('pinned', { lease: refOf(lease), snapshot, bound, ...(base === undefined ? {} : { base }) }),
    audited: (lease, checks) => post('audited', { lease: refOf(lease), checks }),
    published: (lease, result) => post('published', { lease: refOf(lease), result }),
    fail: (lease, report, permanent) => post('fail', { lease: refOf(lease), report, permanent }),
  };
}

function refOf({ tenant, jobId, fence }: TaskRef): TaskRef {
  return { tenant, jobId, fence };
}
