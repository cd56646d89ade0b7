import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Manager } from '../manager/manager.ts';
import { jobRoutes } from './job-routes.ts';
import type { Authorize } from './server.ts';
import { attemptFailure, completion, failureReport, leaseRef, progress, rowRange } from './wire-schemas.ts';

const name = z.string().min(1).max(300);

/** The worker protocol. A worker's token is good for the leases of its own job only. */
export function addWorkerRoutes(server: FastifyInstance, manager: Manager, authorize: Authorize): void {
  const { workers } = manager;

  const route = jobRoutes(server, 'worker', authorize);

  route('context', z.strictObject({}), (_body, asker) => workers.context(asker));
  route('claim', z.strictObject({ worker: name, requestId: name }), ({ worker, requestId }, asker) =>
    workers.claim(asker, worker, requestId),
  );
  route('renew', z.strictObject({ lease: leaseRef, progress }), (body) =>
    workers.renew(body.lease, body.progress),
  );
  route('suspect', z.strictObject({ lease: leaseRef, range: rowRange.nullable() }), (body) =>
    workers.suspect(body.lease, body.range),
  );
  route('complete', z.strictObject({ lease: leaseRef, completion }), (body) =>
    workers.complete(body.lease, body.completion),
  );
  route('split', z.strictObject({ lease: leaseRef, completion }), (body) =>
    workers.split(body.lease, body.completion),
  );
  route('release', z.strictObject({ lease: leaseRef }), (body) => workers.release(body.lease));
  route('fail', z.strictObject({ lease: leaseRef, failure: attemptFailure }), (body) =>
    workers.fail(body.lease, body.failure),
  );
  route('start-failed', z.strictObject({ worker: name, report: failureReport }), (body, { tenant, jobId }) =>
    workers.startFailed(tenant, jobId, body.worker, body.report),
  );
}
