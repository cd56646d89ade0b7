import type { ServerOptions } from 'node:https';
import fastify, { type FastifyError, type FastifyInstance, type FastifyRequest } from 'fastify';
import { Failure } from '../core/errors.ts';
import type { Clock } from '../core/ports.ts';
import type { JobFiles } from '../manager/job-files.ts';
import type { Caller } from '../manager/keys.ts';
import type { Manager } from '../manager/manager.ts';
import type { ModelUploads } from '../manager/model-uploads.ts';
import type { Identity, Tokens } from '../manager/tokens.ts';
import type { Log } from '../observe/log.ts';
import { addApi } from './api-server.ts';
import { jobRoutesOfApi } from './job-api.ts';
import { keyRoutes } from './key-api.ts';
import { modelRoutes } from './model-api.ts';
import { sendProblem } from './problem.ts';
import { createRateLimit } from './rate-limit.ts';
import type { Route } from './route.ts';
import { serverRoutes } from './server-api.ts';
import { addTaskRoutes } from './task-routes.ts';
import { addWorkerRoutes } from './worker-routes.ts';

export interface ServerDeps {
  readonly manager: Manager;
  readonly tokens: Tokens;
  readonly clock: Clock;
  readonly log: Log;
  readonly files: JobFiles;
  readonly uploads: ModelUploads;
  readonly version: string;
  readonly limits: ApiLimits;
  /** Where relative paths of a caller start; absolute. */
  readonly folderOf: (caller: Caller) => string;
}

/** What the API lets callers do; see the settings of the same names. */
export interface ApiLimits {
  readonly defaultParallelism: number;
  readonly keepMs: number;
  readonly requestsPerMinute: number;
  readonly maxBodyBytes: number;
  readonly maxModelBytes: number;
  readonly bodyTimeoutMs: number;
}

/** Of what workers and tasks send. Snapshots of many thousand files and completions pass; nobody has reason to send more. */
const BODY_LIMIT_BYTES = 32 * 2 ** 20;
/** Whoever needs longer for the headers of a request is no client. */
const HEADERS_TIMEOUT_MS = 15_000;

/** The role that a group of routes asks for, and what it says about whose request it is. */
export type Authorize = (request: FastifyRequest, role: Identity['role']) => Identity;

/** Every route of the API, for the server, its OpenAPI document and the tests over all of them. */
export function apiRoutes({
  manager,
  clock,
  files,
  uploads,
  limits,
  folderOf,
  version,
}: ServerDeps): Route[] {
  const { defaultParallelism, keepMs, maxModelBytes } = limits;
  const routes = [
    ...jobRoutesOfApi({ manager, files, defaultParallelism, folderOf, keepMs, nowMs: clock.nowMs }),
    ...modelRoutes({ models: manager.models, uploads, maxModelBytes }),
    ...keyRoutes(manager.keys),
  ];
  return [...routes, ...serverRoutes({ manager, routes, version })];
}

/** All routes: parse, use case, reply. Listens nowhere yet. `tls`: certificate and key. */
export async function createServer(
  deps: ServerDeps,
  tls: Pick<ServerOptions, 'cert' | 'key'> | null = null,
): Promise<FastifyInstance> {
  const { manager, tokens, clock, log, limits } = deps;
  const server = fastify({
    logger: false,
    bodyLimit: BODY_LIMIT_BYTES,
    keepAliveTimeout: 30_000,
    exposeHeadRoutes: false,
    routerOptions: { maxParamLength: 400 },
    frameworkErrors: (error, _request, reply) => void sendProblem(reply, clientError(error)),
    ...(tls === null ? {} : { https: tls }),
  }) as unknown as FastifyInstance;
  // Slow bodies are watched route by route: a model may take long to arrive.
  server.server.requestTimeout = 0;
  server.server.headersTimeout = HEADERS_TIMEOUT_MS;

  const authorize: Authorize = (request, role) => {
    const header = request.headers.authorization ?? '';
    const identity = tokens.verify(header.startsWith('Bearer ') ? header.slice(7) : '', clock.nowMs());
    if (identity.role !== role)
      throw new Failure('UNAUTHORIZED', `This route is for a token of role ${role}.`);
    return identity;
  };

  server.setErrorHandler((error: FastifyError, request, reply) => {
    if (error instanceof Failure) return sendProblem(reply, error, request.routeOptions.url);
    if (error.statusCode !== undefined && error.statusCode < 500)
      return sendProblem(reply, clientError(error, limits));
    log.error({ err: error }, 'request failed');
    return sendProblem(reply, error);
  });
  server.setNotFoundHandler((request, reply) =>
    sendProblem(
      reply,
      new Failure(
        'ROUTE_UNKNOWN',
        `There is no route ${request.method} ${request.url.split('?')[0]?.slice(0, 200)}.`,
      ),
    ),
  );
  server.addHook('onSend', async (_request, reply) => {
    for (const [name, value] of SECURITY_HEADERS) if (!reply.hasHeader(name)) void reply.header(name, value);
    if (tls !== null) void reply.header('strict-transport-security', 'max-age=31536000');
  });

  await addApi(server, apiRoutes(deps), {
    keys: manager.keys,
    tokens,
    clock,
    log,
    rateLimit: createRateLimit(limits.requestsPerMinute, clock),
    maxBodyBytes: limits.maxBodyBytes,
    bodyTimeoutMs: limits.bodyTimeoutMs,
  });
  addWorkerRoutes(server, manager, authorize);
  addTaskRoutes(server, manager, authorize);
  return server;
}

const SECURITY_HEADERS: readonly (readonly [string, string])[] = [
  ['cache-control', 'no-store'],
  ['x-content-type-options', 'nosniff'],
  ['referrer-policy', 'no-referrer'],
  ['content-security-policy', "default-src 'none'; frame-ancestors 'none'"],
];

/** What the framework refuses, in our words. */
function clientError(error: FastifyError | Error, limits?: ApiLimits): Failure {
  if ('statusCode' in error && error.statusCode === 413) {
    const most = limits === undefined ? '' : ` The server takes ${limits.maxBodyBytes} bytes.`;
    return new Failure('BODY_TOO_LARGE', `The body is too large.${most}`, {
      cause: error,
      next: 'Send less, or raise the setting `max_body_mb`.',
    });
  }
  return new Failure('REQUEST_INVALID', error.message, { cause: error, place: { field: '' } });
}
