import fastify from 'fastify';
import { expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { jobRoutes } from './job-routes.ts';

test('a caller that hangs up is noticed while its question is held, and only then', async () => {
  const server = fastify();
  onTestFinished(() => server.close());
  const route = jobRoutes(server, 'worker', () => ({
    role: 'worker',
    tenant: 't',
    jobId: 'j',
    expiresMs: Number.MAX_SAFE_INTEGER,
  }));
  const held = Promise.withResolvers<AbortSignal>();
  route('hold', z.strictObject({}), (_body, { gone }) => {
    held.resolve(gone);
    return new Promise(() => {});
  });
  const url = await server.listen({ host: '127.0.0.1', port: 0 });
  const caller = new AbortController();
  const question = fetch(`${url}/api/v1/worker/hold`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{}',
    signal: caller.signal,
  });
  const gone = await held.promise;
  expect(gone.aborted).toBe(false);
  const noticed = new Promise((resolve) => gone.addEventListener('abort', resolve));
  caller.abort();
  await expect(question).rejects.toThrow('aborted');
  await noticed;
});
