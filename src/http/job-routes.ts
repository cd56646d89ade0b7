import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { Failure } from '../core/errors.ts';
import type { Asker } from '../manager/worker-service.ts';
import { parseBody } from './parse-body.ts';
import type { Authorize } from './server.ts';

interface JobIdentity {
  readonly tenant: string;
  readonly jobId: string;
}

type AddRoute = <Schema extends z.ZodType>(
  verb: string,
  schema: Schema,
  handle: (body: z.output<Schema>, asker: Asker) => Promise<unknown>,
) => void;

/**
 * Makes the routes of one protocol, `POST /api/v1/<role>/<verb>`, each answering `{ answer }`. The token must be of that
 * role and bound to a job; a lease in the body must be one of that job.
 */
export function jobRoutes(server: FastifyInstance, role: 'worker' | 'task', authorize: Authorize): AddRoute {
  return (verb, schema, handle) => {
    const onRequest = async (request: FastifyRequest) => void authorize(request, role);
    server.post(`/api/v1/${role}/${verb}`, { onRequest }, async (request, reply) => {
      const { tenant, jobId } = authorize(request, role);
      if (jobId === null) throw new Failure('UNAUTHORIZED', 'The token is not bound to a job.');
      const body = parseBody(schema, request.body);
      refuseOtherJob(body, { tenant, jobId });
      // Of the reply: the request has its 'close' as soon as its body is read.
      const gone = new AbortController();
      reply.raw.once('close', () => gone.abort());
      return { answer: (await handle(body, { tenant, jobId, gone: gone.signal })) ?? null };
    });
  };
}

function refuseOtherJob(body: unknown, { tenant, jobId }: JobIdentity): void {
  const { lease } = body as { lease?: JobIdentity };
  if (lease === undefined || (lease.tenant === tenant && lease.jobId === jobId)) return;
  throw new Failure('UNAUTHORIZED', 'The token is for another job.');
}
