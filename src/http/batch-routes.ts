import { isAbsolute } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { RETRY_MODES } from '../core/retry.ts';
import { JOB_STATES } from '../core/states.ts';
import type { Manager } from '../manager/manager.ts';
import { parseJobSpec } from '../spec/job-spec.ts';
import { parseBody } from './parse-body.ts';
import type { Authorize } from './server.ts';

const submitQuery = z.strictObject({
  request_id: z.string().min(8).max(100).optional(),
  fresh: z.enum(['true', 'false']).default('false'),
  adopt: z.enum(['true', 'false']).default('false'),
});
const listQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(1_000).default(50),
  /** States, separated by commas. */
  status: z
    .string()
    .transform((text) => text.split(','))
    .pipe(z.array(z.enum(JOB_STATES)))
    .optional(),
  name: z.string().max(200).optional(),
  since: z.iso.datetime({ offset: true }).optional(),
  id_prefix: z.string().max(200).optional(),
});
const retryBody = z.strictObject({
  mode: z.enum(RETRY_MODES).exactOptional(),
  repaired: z
    .array(z.string().min(1).max(4_096).refine(isAbsolute, 'is no absolute path'))
    .max(100)
    .default([]),
  /** As `config.error_budget` of a specification. */
  error_budget: z.json().exactOptional(),
});
const jobParams = z.object({ jobId: z.string().min(1).max(200) });

/** Jobs, for people and their programs. */
export function addBatchRoutes(server: FastifyInstance, manager: Manager, authorize: Authorize): void {
  const base = '/api/v1/inference/batch';

  server.post(base, async (request, reply) => {
    const { tenant } = authorize(request, 'admin');
    const { request_id: requestId, fresh, adopt } = parseBody(submitQuery, request.query);
    const spec = parseJobSpec(request.body, { folder: '/' });
    const answer = await manager.submit({
      tenant,
      requestId: requestId ?? null,
      spec,
      fresh: fresh === 'true',
      adopt: adopt === 'true',
    });
    return reply.code(answer.resumed ? 200 : 201).send(answer);
  });

  server.get(base, async (request) => {
    const { tenant } = authorize(request, 'admin');
    const { limit, status, name, since, id_prefix: idPrefix } = parseBody(listQuery, request.query);
    return {
      jobs: await manager.jobs.list(tenant, {
        limit,
        ...(status === undefined ? {} : { states: status }),
        ...(name === undefined ? {} : { name }),
        ...(since === undefined ? {} : { sinceMs: Date.parse(since) }),
        ...(idPrefix === undefined ? {} : { idPrefix }),
      }),
    };
  });

  server.get(`${base}/:jobId`, async (request) => {
    const { tenant } = authorize(request, 'admin');
    return manager.jobs.status(tenant, parseBody(jobParams, request.params).jobId);
  });

  server.get(`${base}/:jobId/detail`, async (request) => {
    const { tenant } = authorize(request, 'admin');
    return manager.jobs.detail(tenant, parseBody(jobParams, request.params).jobId);
  });

  server.post(`${base}/:jobId/resume`, async (request) => {
    const { tenant } = authorize(request, 'admin');
    return manager.resume(tenant, parseBody(jobParams, request.params).jobId);
  });

  server.post(`${base}/:jobId/retry`, async (request, reply) => {
    const { tenant } = authorize(request, 'admin');
    const { mode, repaired, error_budget: errorBudget } = parseBody(retryBody, request.body);
    const answer = await manager.retry({
      tenant,
      jobId: parseBody(jobParams, request.params).jobId,
      mode: mode ?? null,
      repaired,
      ...(errorBudget === undefined ? {} : { errorBudget }),
    });
    return reply.code(answer.resumed ? 200 : 201).send(answer);
  });

  server.post(`${base}/:jobId/cancel`, async (request) => {
    const { tenant } = authorize(request, 'admin');
    return manager.jobs.cancel(tenant, parseBody(jobParams, request.params).jobId);
  });
}
