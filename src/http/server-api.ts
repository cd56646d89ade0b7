import { z } from 'zod';
import { Failure } from '../core/errors.ts';
import type { Manager } from '../manager/manager.ts';
import { openApiDocument } from './openapi.ts';
import { referencePage } from './reference-page.ts';
import { type Route, route } from './route.ts';

const health = z.strictObject({ status: z.literal('ok') });

/** What is asked about the server itself; `routes`: all others. */
export function serverRoutes({
  manager,
  routes,
  version,
}: {
  readonly manager: Manager;
  readonly routes: readonly Route[];
  readonly version: string;
}): Route[] {
  const document = () => openApiDocument([...routes, ...own], version);
  const own: Route[] = [
    route({
      id: 'health',
      method: 'GET',
      path: '/healthz',
      access: 'public',
      tag: 'server',
      summary: 'Whether the process answers',
      answers: { 200: { description: 'It does.', schema: health } },
      handle: async () => ({ status: 'ok' }),
    }),
    route({
      id: 'ready',
      method: 'GET',
      path: '/readyz',
      access: 'public',
      tag: 'server',
      summary: 'Whether jobs are taken in and worked on',
      answers: { 200: { description: 'They are.', schema: health } },
      async handle() {
        if (manager.draining())
          throw new Failure('STORAGE_FAILED', 'The server is stopping.', { next: 'Ask again in a moment.' });
        await manager.stats();
        return { status: 'ok' };
      },
    }),
    route({
      id: 'metrics',
      method: 'GET',
      path: '/metrics',
      access: 'admin',
      tag: 'server',
      summary: 'Figures for Prometheus, of all tenants together',
      answers: { 200: { description: 'Text exposition.', types: ['text/plain'] } },
      async handle({ reply }) {
        const { type, text } = await manager.metrics();
        void reply.type(type);
        return text;
      },
    }),
    route({
      id: 'openApi',
      method: 'GET',
      path: '/openapi.json',
      access: 'public',
      tag: 'server',
      summary: 'The OpenAPI document',
      answers: { 200: { description: 'OpenAPI 3.1.', types: ['application/json'] } },
      async handle({ reply }) {
        void reply.header('cache-control', 'max-age=300');
        return document();
      },
    }),
    route({
      id: 'reference',
      method: 'GET',
      path: '/docs',
      access: 'public',
      tag: 'server',
      summary: 'All routes and error codes, to be read',
      answers: { 200: { description: 'A page.', types: ['text/html'] } },
      async handle({ reply }) {
        void reply
          .header(
            'content-security-policy',
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
          )
          .type('text/html; charset=utf-8');
        return referencePage(document());
      },
    }),
  ];
  return own;
}
