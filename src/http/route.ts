import type { FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import type { ApiRole } from '../core/api-role.ts';
import type { Caller } from '../manager/keys.ts';

/** One route of the API: what is asked, by whom, what is answered. Server, OpenAPI document and tests are made from these. */
export interface Route {
  /** Unique; its name in the OpenAPI document and in the audit log. */
  readonly id: string;
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** `/api/v1/inference/batch/{job_id}`. */
  readonly path: string;
  /** The least role that may; `public`: nobody is asked for a key. */
  readonly access: ApiRole | 'public';
  /** Only for whoever may read the state folder: refused to every API key. */
  readonly localOnly?: true;
  readonly tag: 'jobs' | 'models' | 'keys' | 'server';
  readonly summary: string;
  readonly description?: string;
  readonly params: z.ZodObject | null;
  readonly query: z.ZodObject | null;
  readonly headers: z.ZodObject | null;
  /** Null: it takes none. `multipart`: the handler reads it. */
  readonly body:
    | { readonly schema: z.ZodType; readonly parse: (body: unknown) => unknown }
    | 'multipart'
    | null;
  /** By status. */
  readonly answers: Readonly<Record<number, RouteAnswer>>;
  handle(call: RouteCall): Promise<unknown>;
}

export interface RouteAnswer {
  readonly description: string;
  /** Of JSON. */
  readonly schema?: z.ZodType;
  /** Media types of what is no JSON. */
  readonly types?: readonly string[];
}

export interface RouteCall<Params = unknown, Query = unknown, Headers = unknown, Body = unknown> {
  readonly params: Params;
  readonly query: Query;
  readonly headers: Headers;
  readonly body: Body;
  readonly caller: Caller;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  /** Aborted when the caller has hung up. */
  readonly gone: AbortSignal;
}

/** A route whose handler gets what its schemas make of the request. */
export function route<
  Params extends z.ZodObject = z.ZodObject,
  Query extends z.ZodObject = z.ZodObject,
  Headers extends z.ZodObject = z.ZodObject,
  Body = unknown,
>(
  definition: Omit<Route, 'params' | 'query' | 'headers' | 'body' | 'handle'> & {
    readonly params?: Params;
    readonly query?: Query;
    readonly headers?: Headers;
    readonly body?: { readonly schema: z.ZodType; readonly parse: (body: unknown) => Body } | 'multipart';
    handle(call: RouteCall<z.output<Params>, z.output<Query>, z.output<Headers>, Body>): Promise<unknown>;
  },
): Route {
  const { params = null, query = null, headers = null, body = null, handle, ...rest } = definition;
  return { ...rest, params, query, headers, body, handle: handle as Route['handle'] };
}
