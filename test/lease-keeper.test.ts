import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';

const CHILD = fileURLToPath(new URL('./support/lease-keeper-child.ts', import.meta.url));

interface Asked {
  readonly path: string;
  readonly body: Record<string, unknown>;
}

/** A manager that answers renewals as told; 'silence' accepts requests and never answers. */
async function fakeManager(answer: unknown): Promise<{ url: string; asked: Asked[] }> {
  const asked: Asked[] = [];
  const server = createServer(async (request, response) => {
    let text = '';
    for await (const chunk of request) text += String(chunk);
    asked.push({ path: request.url ?? '', body: JSON.parse(text) });
    if (answer !== 'silence') response.end(JSON.stringify({ answer }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

function startChild(
  managerUrl: string,
  settings: { leaseMs: number; batchTimeoutMs: number; blockMs: number; endWithParent?: boolean },
) {
  const child = spawn(
    process.execPath,
    [CHILD, JSON.stringify({ managerUrl, endWithParent: false, ...settings })],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  );
  let stdout = '';
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  const ended = once(child, 'close').then(([code, signal]) => ({ code, signal, stdout }));
  return { child, ended };
}

test('a lease outlives a model call that is many times longer than the lease', async () => {
  const { url, asked } = await fakeManager('held');
  const { ended } = startChild(url, { leaseMs: 1_000, batchTimeoutMs: 60_000, blockMs: 4_000 });
  const { code, stdout } = await ended;
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toEqual({ lost: false, until: null });
  const renewals = asked.filter(({ path }) => path === '/api/v1/worker/renew');
  expect(renewals.length).toBeGreaterThanOrEqual(4);
  expect(renewals[0]?.body).toEqual({
    lease: { tenant: 'default', jobId: 'job-1', shardId: 7, attempt: 3 },
    progress: { rows: 20, rejected: 1 },
  });
}, 30_000);

test('a process whose manager is silent ends before its rows may be given to somebody else', async () => {
  const { url } = await fakeManager('silence');
  const { ended } = startChild(url, { leaseMs: 1_500, batchTimeoutMs: 60_000, blockMs: 30_000 });
  const { signal } = await ended;
  expect(signal).toBe('SIGKILL');
}, 30_000);

test('a call that passes its deadline is reported with its rows, and ended', async () => {
  const { url, asked } = await fakeManager('held');
  const { ended } = startChild(url, { leaseMs: 10_000, batchTimeoutMs: 500, blockMs: 30_000 });
  const { signal } = await ended;
  expect(signal).toBe('SIGKILL');
  const failure = asked.find(({ path }) => path === '/api/v1/worker/fail')?.body.failure;
  expect(failure).toMatchObject({
    report: { code: 'MODEL_TIMEOUT' },
    suspect: { start: 120, end: 140 },
    permanent: false,
  });
}, 30_000);

test('a lost lease and a row to stop at reach the scoring thread', async () => {
  const lost = await fakeManager('lost');
  const first = await startChild(lost.url, { leaseMs: 1_000, batchTimeoutMs: 60_000, blockMs: 1_500 }).ended;
  expect(JSON.parse(first.stdout)).toEqual({ lost: true, until: null });
  const until = await fakeManager({ until: 150 });
  const second = await startChild(until.url, { leaseMs: 1_000, batchTimeoutMs: 60_000, blockMs: 1_500 })
    .ended;
  expect(JSON.parse(second.stdout)).toEqual({ lost: false, until: 150 });
}, 30_000);

test('a keeper that is closed lets its process end by itself, with time to clean up', async () => {
  const { url } = await fakeManager('held');
  const settings = { leaseMs: 10_000, batchTimeoutMs: 60_000, blockMs: 10, endWithParent: true };
  const { code, signal } = await startChild(url, settings).ended;
  expect({ code, signal }).toEqual({ code: 0, signal: null });
}, 30_000);

test('a worker inside a model call ends with its parent', async () => {
  const { url, asked } = await fakeManager('held');
  const { child, ended } = startChild(url, {
    leaseMs: 1_000,
    batchTimeoutMs: 60_000,
    blockMs: 30_000,
    endWithParent: true,
  });
  // The lease is held and the thread is blocked once the keeper has renewed.
  await expect.poll(() => asked.length, { timeout: 20_000 }).toBeGreaterThan(0);
  child.stdin?.destroy();
  const { signal } = await ended;
  expect(signal).toBe('SIGKILL');
}, 30_000);
