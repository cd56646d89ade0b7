import fastify, { type FastifyError, type FastifyInstance, type FastifyRequest } from 'fastify';
import { Failure } from '../core/errors.ts';
import type { Clock } from '../core/ports.ts';
import type { Manager } from '../manager/manager.ts';
import type { Identity, Tokens } from '../manager/tokens.ts';
import type { Log } from '../observe/log.ts';
import { addBatchRoutes } from './batch-routes.ts';
import { addModelRoutes } from './model-routes.ts';
import { sendProblem } from './problem.ts';
import { addTaskRoutes } from './task-routes.ts';
import { addWorkerRoutes } from './worker-routes.ts';

export interface ServerDeps {
  readonly manager: Manager;
  readonly tokens: Tokens;
  readonly clock: Clock;
  readonly log: Log;
}

/** Of a request's body. Snapshots of many thousand files and completions pass; nobody has reason to send more. */
const BODY_LIMIT_BYTES = 32 * 2 ** 20;

/** The role that a group of routes asks for, and what it says about whose request it is. */
export type Authorize = (request: FastifyRequest, role: Identity['role']) => Identity;

/** All routes: parse, use case, reply. Listens nowhere yet. */
export function createServer({ manager, tokens, clock, log }: ServerDeps): FastifyInstance {
  const server = fastify({
    logger: false,
    bodyLimit: BODY_LIMIT_BYTES,
    requestTimeout: 60_000,
    keepAliveTimeout: 30_000,
  });

  const authorize: Authorize = (request, role) => {
    const header = request.headers.authorization ?? '';
    const identity = tokens.verify(header.startsWith('Bearer ') ? header.slice(7) : '', clock.nowMs());
    if (identity.role !== role)
      throw new Failure('UNAUTHORIZED', `This route is for a token of role ${role}.`);
    return identity;
  };

  server.setErrorHandler((error: FastifyError, _request, reply) => {
    if (error instanceof Failure) return sendProblem(reply, error);
    if (error.statusCode !== undefined && error.statusCode < 500) {
      return sendProblem(reply, new Failure('REQUEST_INVALID', error.message, { cause: error }));
    }
    log.error({ err: error }, 'request failed');
    return sendProblem(reply, error);
  });
  server.setNotFoundHandler((request, reply) =>
    sendProblem(
      reply,
      new Failure('REQUEST_INVALID', `There is no route ${request.method} ${request.url.split('?')[0]}.`),
    ),
  );

  addBatchRoutes(server, manager, authorize);
  addModelRoutes(server, manager, authorize);
  addWorkerRoutes(server, manager, authorize);
  addTaskRoutes(server, manager, authorize);
  return server;
}
