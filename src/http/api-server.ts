import multipart from '@fastify/multipart';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { mayActAs } from '../core/api-role.ts';
import { Failure } from '../core/errors.ts';
import { jsonPitfall } from '../core/json-pitfalls.ts';
import type { Clock } from '../core/ports.ts';
import type { Caller, KeyService } from '../manager/keys.ts';
import type { Tokens } from '../manager/tokens.ts';
import type { Log } from '../observe/log.ts';
import { parseBody } from './parse-body.ts';
import { problemOf, sendProblem } from './problem.ts';
import type { RateLimit } from './rate-limit.ts';
import type { Route } from './route.ts';

export interface ApiServerDeps {
  readonly keys: KeyService;
  readonly tokens: Tokens;
  readonly clock: Clock;
  readonly log: Log;
  readonly rateLimit: RateLimit;
  readonly maxBodyBytes: number;
  /** For a body to arrive; of an upload, for its next bytes. */
  readonly bodyTimeoutMs: number;
}

/** Serves routes: who asks, may they, what do they ask; then the handler, and what it did goes into the audit log. */
export async function addApi(
  server: FastifyInstance,
  routes: readonly Route[],
  deps: ApiServerDeps,
): Promise<void> {
  await server.register(async (api) => {
    api.removeAllContentTypeParsers();
    await api.register(multipart);
    api.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body: Buffer, done) => {
      try {
        done(null, parseJson(body));
      } catch (error) {
        done(error as Error);
      }
    });
    for (const each of routes) addRoute(api, each, deps);
  });
}

function addRoute(api: FastifyInstance, route: Route, deps: ApiServerDeps): void {
  const callers = new WeakMap<FastifyRequest, Caller>();
  api.route({
    method: route.method,
    url: route.path.replaceAll(/\{(\w+)\}/g, ':$1'),
    bodyLimit: deps.maxBodyBytes,
    // Before a byte of the body is read.
    async onRequest(request) {
      if (route.access === 'public') return;
      const caller = await callerOf(request, deps);
      callers.set(request, caller);
      if (caller.fenced) deps.rateLimit(caller.tenant);
      if (mayUse(caller, route)) return;
      const failure = forbidden(caller, route);
      await record(route, request, caller, failure, deps);
      throw failure;
    },
    preParsing(request, reply, payload, done) {
      limitTime(request, reply, route, payload, deps);
      done(null, payload);
    },
    async handler(request, reply) {
      const caller = callers.get(request) ?? NOBODY;
      try {
        const answer = await route.handle({
          params: parsed(route.params, request.params),
          query: parsed(route.query, request.query),
          headers: parsed(route.headers, request.headers),
          body: bodyOf(route, request.body),
          caller,
          request,
          reply,
          gone: goneSignal(reply),
        });
        await record(route, request, caller, { status: reply.statusCode, answer }, deps);
        return answer;
      } catch (error) {
        await record(route, request, caller, error as Error, deps);
        throw error;
      }
    },
  });
}

const NOBODY: Caller = { tenant: '', role: 'reader', actor: '', fenced: true };

/** By an API key; or by the token of whoever may read the state folder. */
async function callerOf(request: FastifyRequest, { keys, tokens, clock }: ApiServerDeps): Promise<Caller> {
  const header = request.headers.authorization ?? '';
  const [, token = ''] = /^Bearer +(\S{1,4096})$/i.exec(header) ?? [];
  if (token.startsWith('bw_')) {
    const caller = await keys.authenticate(token);
    if (caller !== null) return caller;
    throw new Failure('UNAUTHORIZED', 'The API key is wrong, revoked or expired.', {
      next: 'Use a living key: batchwright key list',
    });
  }
  const { role, tenant } = tokens.verify(token, clock.nowMs());
  if (role !== 'admin')
    throw new Failure('UNAUTHORIZED', `The token of a ${role} is for its own routes only.`);
  return { tenant, role, actor: 'local', fenced: false };
}

function mayUse(caller: Caller, { access, localOnly }: Route): boolean {
  return access === 'public' || (mayActAs(caller.role, access) && !(localOnly === true && caller.fenced));
}

function forbidden({ role }: Caller, { id, access, localOnly }: Route): Failure {
  return localOnly === true
    ? new Failure('FORBIDDEN', `${id} is for the server's own command line.`, {
        next: 'See /docs for the route that does this over the network.',
      })
    : new Failure('FORBIDDEN', `${id} takes a key of the role ${access}; this one is of a ${role}.`);
}

function parsed(schema: Route['params'], value: unknown): unknown {
  return schema === null ? {} : parseBody(schema, { ...(value as object) });
}

function bodyOf({ body, method }: Route, given: unknown): unknown {
  if (body === null && method !== 'GET' && given !== undefined)
    throw new Failure('REQUEST_INVALID', 'The route takes no body.', { place: { field: '' } });
  return body === null || body === 'multipart' ? undefined : body.parse(given);
}

function parseJson(bytes: Buffer): unknown {
  if (bytes.length === 0) return undefined;
  let text: string;
  let value: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    value = JSON.parse(text);
  } catch (error) {
    throw new Failure('REQUEST_INVALID', `The body is no JSON: ${(error as Error).message.slice(0, 200)}`, {
      place: { field: '' },
      next: 'Send JSON, in UTF-8.',
    });
  }
  const pitfall = jsonPitfall(text);
  if (pitfall === null) return value;
  const field = pitfall.pointer.slice(1).replaceAll('/', '.');
  throw new Failure('REQUEST_INVALID', `The body: ${field} ${pitfall.what}.`, {
    place: { field },
    next: 'Say it once.',
  });
}

/** Who sends slowly holds a socket and nothing else, and not for long. */
function limitTime(
  request: FastifyRequest,
  reply: FastifyReply,
  route: Route,
  payload: NodeJS.ReadableStream,
  { clock, bodyTimeoutMs }: ApiServerDeps,
): void {
  if (request.headers['content-length'] === '0' || route.method === 'GET') return;
  const arrived = new AbortController();
  let movedMs = clock.monotonicMs();
  if (route.body === 'multipart') {
    const moved = () => {
      movedMs = clock.monotonicMs();
    };
    payload.on('data', moved).pause();
  }
  payload.once('end', () => arrived.abort());
  payload.once('close', () => arrived.abort());
  const watch = async () => {
    for (;;) {
      const left = movedMs + bodyTimeoutMs - clock.monotonicMs();
      if (left <= 0) break;
      await clock.sleep(left, arrived.signal);
      if (arrived.signal.aborted) return;
    }
    const failure = new Failure(
      'REQUEST_TIMEOUT',
      `The body did not arrive in ${bodyTimeoutMs / 1_000} seconds.`,
    );
    if (reply.sent) return;
    reply.raw.once('finish', () => request.raw.destroy());
    await sendProblem(reply.header('connection', 'close'), failure);
  };
  void watch();
}

/** Of the reply: the request has its 'close' as soon as its body is read. */
function goneSignal(reply: FastifyReply): AbortSignal {
  const gone = new AbortController();
  reply.raw.once('close', () => gone.abort());
  return gone.signal;
}

/** What changes something, or was to. */
async function record(
  route: Route,
  request: FastifyRequest,
  caller: Caller,
  outcome: Error | { readonly status: number; readonly answer: unknown },
  { keys, log }: ApiServerDeps,
): Promise<void> {
  if (route.method === 'GET' || route.access === 'public') return;
  const { code, status } =
    outcome instanceof Error ? problemOf(outcome) : { code: null, status: outcome.status };
  const jobId = 'answer' in outcome ? (outcome.answer as { job_id?: unknown } | null)?.job_id : undefined;
  const path = request.url.split('?')[0]?.slice(0, 500) ?? '';
  try {
    await keys.record({
      tenant: caller.tenant,
      actor: caller.actor,
      action: route.id,
      target: typeof jobId === 'string' ? jobId : path,
      status,
      code,
    });
  } catch (error) {
    log.error({ err: error, action: route.id, actor: caller.actor }, 'the audit log could not be written');
  }
}
