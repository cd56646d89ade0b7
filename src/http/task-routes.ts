import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Manager } from '../manager/manager.ts';
import { jobRoutes } from './job-routes.ts';
import type { Authorize } from './server.ts';
import { bound, failureReport, retryBase, snapshot, taskRef } from './wire-schemas.ts';

const name = z.string().min(1).max(300);
const published = z.strictObject({ location: z.string(), manifest: z.string(), manifestSha256: z.string() });

/** The protocol of task processes: pin, audit, publish. A task's token is good for its own job only. */
export function addTaskRoutes(server: FastifyInstance, manager: Manager, authorize: Authorize): void {
  const { tasks } = manager;

  const route = jobRoutes(server, 'task', authorize);

  route('claim', z.strictObject({ worker: name, requestId: name }), ({ worker, requestId }, asker) =>
    tasks.claim(asker, worker, requestId),
  );
  route('renew', z.strictObject({ lease: taskRef }), (body) => tasks.renew(body.lease));
  route(
    'pinned',
    z.strictObject({ lease: taskRef, snapshot, bound, base: retryBase.exactOptional() }),
    (body) => tasks.pinned(body.lease, body.snapshot, body.bound, body.base),
  );
  route('audited', z.strictObject({ lease: taskRef, checks: z.unknown() }), (body) =>
    tasks.audited(body.lease, body.checks),
  );
  route('published', z.strictObject({ lease: taskRef, result: published }), (body) =>
    tasks.published(body.lease, body.result),
  );
  route('fail', z.strictObject({ lease: taskRef, report: failureReport, permanent: z.boolean() }), (body) =>
    tasks.fail(body.lease, body.report, body.permanent),
  );
}
