import { randomUUID } from 'node:crypto';
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type EmbeddedManager, openEmbeddedManager } from '../src/cli/embedded-manager.ts';
import { openStateFolder } from '../src/cli/state-folder.ts';
import type { FleetRequest } from '../src/compute/compute.ts';
import { problem } from '../src/http/answers.ts';
import { apiRoutes, type ServerDeps } from '../src/http/server.ts';
import { resolveServerSettings } from '../src/spec/server-settings.ts';
import { identityModel } from './onnx-builder.ts';
import { sql } from './support/parquet.ts';

const home = realpathSync(mkdtempSync(join(tmpdir(), 'batchwright-routes-')));
let manager: EmbeddedManager;
let url = '';
let jobId = '';
const tokens: Record<string, string | null> = { 'no key': null, 'malformed key': 'bw_short_key' };

const job = () => ({
  model_id: 'm.onnx',
  input: { source: 'parquet', path: 'in.parquet', key: 'id', features: ['x'] },
  output: { destination: 'parquet', path: `out-${randomUUID()}` },
});

beforeAll(async () => {
  writeFileSync(join(home, 'm.onnx'), identityModel());
  await sql(
    `COPY (SELECT i AS id, i::FLOAT AS x FROM range(10) t(i)) TO '${home}/in.parquet' (FORMAT parquet)`,
  );
  const { promise: provisioned, resolve } = Promise.withResolvers<FleetRequest>();
  const { settings } = resolveServerSettings({
    file: null,
    environment: {},
    flags: { port: '0', request_timeout_seconds: '1', storage_roots: `a=${home}` },
    folder: home,
  });
  manager = await openEmbeddedManager(openStateFolder(join(home, 'state')), {
    work: true,
    compute: {
      slots: 1,
      memoryMb: 1_024,
      provision(request) {
        resolve(request);
        return { workers: () => [], scaleUp: () => {}, stop: async () => {} };
      },
    },
    service: { settings, tls: null },
  });
  url = manager.publicUrl ?? '';
  const key = async (tenant: string, role: 'reader' | 'submitter' | 'admin') =>
    manager.keys.create({ tenant, name: role, role, by: 'test' });
  for (const role of ['reader', 'submitter', 'admin'] as const) tokens[role] = (await key('a', role)).key;
  tokens['other tenant'] = (await key('b', 'admin')).key;
  const revoked = await key('a', 'admin');
  await manager.keys.revoke({ tenant: 'a', prefix: revoked.prefix, by: 'test' });
  tokens['revoked key'] = revoked.key;
  const [good, other] = [await key('a', 'admin'), await key('a', 'admin')];
  tokens['another secret'] = good.key.slice(0, -43) + other.key.slice(-43);
  await manager.keys.rotate({ tenant: 'a', prefix: other.prefix, overlapHours: 0, by: 'test' });
  tokens['expired key'] = other.key;
  const submitted = await ask('admin', 'POST', '/api/v1/inference/batch', job());
  expect(submitted.status, submitted.text).toBe(201);
  jobId = submitted.body.job_id as string;
  tokens['worker token'] = (await provisioned).token;
  expect((await ask('admin', 'POST', `/api/v1/inference/batch/${jobId}/cancel`, {})).status).toBe(200);
});
afterAll(async () => {
  await manager.close();
  rmSync(home, { recursive: true, force: true });
});

async function ask(caller: string, method: string, path: string, body?: unknown, raw?: string) {
  const token = tokens[caller];
  const reply = await fetch(new URL(path, url), {
    method,
    headers: {
      ...(token == null ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined && raw === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined && raw === undefined ? {} : { body: raw ?? JSON.stringify(body) }),
  });
  const text = await reply.text();
  const isJson = (reply.headers.get('content-type') ?? '').includes('json') && text.startsWith('{');
  return { status: reply.status, text, body: (isJson ? JSON.parse(text) : {}) as Record<string, unknown> };
}

/** What each route answers a caller that may: the job is cancelled, there are no models. And whoever owns none of that. */
const ANSWERS: Readonly<Record<string, { body?: unknown; own: number; other: number }>> = {
  submitJob: { body: {}, own: 400, other: 400 },
  listJobs: { own: 200, other: 200 },
  getJob: { own: 200, other: 404 },
  getJobDetail: { own: 200, other: 404 },
  resumeJob: { body: {}, own: 409, other: 404 },
  retryJob: { body: { mode: 'partial' }, own: 422, other: 404 },
  cancelJob: { body: {}, own: 200, other: 404 },
  listShards: { own: 200, other: 404 },
  getResults: { own: 409, other: 404 },
  getRejects: { own: 204, other: 404 },
  getManifest: { own: 409, other: 404 },
  getLog: { own: 200, other: 404 },
  followJob: { own: 200, other: 404 },
  listModels: { own: 200, other: 200 },
  getModel: { own: 404, other: 404 },
  uploadModel: { body: {}, own: 400, other: 400 },
  addModelVersion: { body: {}, own: 403, other: 403 },
  moveAlias: { body: {}, own: 400, other: 400 },
  deleteModelVersion: { own: 404, other: 404 },
  removeModelVersion: { body: {}, own: 400, other: 400 },
  createKey: { body: {}, own: 400, other: 400 },
  listKeys: { own: 200, other: 200 },
  rotateKey: { body: {}, own: 404, other: 404 },
  revokeKey: { body: {}, own: 404, other: 404 },
  listAudit: { own: 200, other: 200 },
  health: { own: 200, other: 200 },
  ready: { own: 200, other: 200 },
  metrics: { own: 200, other: 200 },
  openApi: { own: 200, other: 200 },
  reference: { own: 200, other: 200 },
};

const ROUTES = apiRoutes({
  manager: {},
  clock: {},
  limits: {},
} as unknown as ServerDeps);
const CALLERS = [
  'no key',
  'malformed key',
  'revoked key',
  'another secret',
  'expired key',
  'worker token',
  'other tenant',
  'reader',
  'submitter',
  'admin',
];
const RANK = ['reader', 'submitter', 'admin'];

function pathTo(path: string): string {
  return path
    .replace('{job_id}', jobId)
    .replace('{name}', 'm')
    .replace('{reference}', 'm')
    .replace('{version}', '1')
    .replace('{prefix}', 'aaaaaaaaaa');
}

test('the table of answers is that of the routes', () => {
  expect(Object.keys(ANSWERS).sort()).toEqual(ROUTES.map(({ id }) => id).sort());
});

describe.each(ROUTES)('$id', (route) => {
  test.each(CALLERS)('%s gets exactly what it may', async (caller) => {
    const { body, own, other } = ANSWERS[route.id] ?? { own: 0, other: 0 };
    const rank = RANK.indexOf(caller === 'other tenant' ? 'admin' : caller);
    const expected =
      route.access === 'public'
        ? own
        : rank < 0
          ? 401
          : rank < RANK.indexOf(route.access)
            ? 403
            : caller === 'other tenant'
              ? other
              : own;
    const answer = await ask(caller, route.method, pathTo(route.path), body);
    expect({ status: answer.status, text: answer.text.slice(0, 300) }).toMatchObject({ status: expected });
    const { schema, types } = route.answers[answer.status] ?? {};
    if (schema !== undefined && types === undefined)
      expect(schema.safeParse(answer.body).error).toBeUndefined();
    if (expected >= 400) expect(problem.safeParse(answer.body).error).toBeUndefined();
    if (expected < 400) expect(Object.keys(route.answers)).toContain(String(answer.status));
    if (expected >= 400) expect(answer.body).toMatchObject({ status: expected, code: expect.any(String) });
  });

  if (route.access !== 'public') {
    const many = (count: number) => 'x'.repeat(count);
    test.each<[string, string, number[]]>([
      ['no JSON', '{', [400]],
      ['a text of zeros', '\0\0', [400]],
      ['a key twice', '{"a":1,"a":2}', [400]],
      ['endless nesting', '['.repeat(100_000), [400]],
      ['deep but whole nesting', `${'['.repeat(5_000)}${']'.repeat(5_000)}`, [400]],
      ['a list', '[]', [400]],
      ['a number that is none', '{"a":1e999,"timeout":1e-999}', [400]],
      ['an unknown field', '{"no_such_field":1}', [400]],
      ['three megabytes', `"${many(3 * 2 ** 20)}"`, [413]],
    ])('%s as a body is refused, and nothing else happens', async (what, raw, statuses) => {
      if (route.method === 'GET') return;
      const answer = await ask('admin', route.method, pathTo(route.path), undefined, raw);
      const allowed = route.localOnly ? [403] : statuses;
      expect(allowed, answer.text.slice(0, 300)).toContain(answer.status);
      expect(answer.body.code).toEqual(expect.any(String));
      if (what === 'a key twice' && !route.localOnly)
        expect(answer.body).toMatchObject({ detail: expect.stringContaining('twice'), pointer: '/a' });
      expect(answer.text).not.toMatch(/node_modules|\.ts:\d+|\n\s+at /);
    });

    test('unknown and doubled parameters are refused by name', async () => {
      if (route.query === null || route.localOnly) return;
      const unknown = await ask('admin', route.method, `${pathTo(route.path)}?no_such=1`);
      expect(unknown).toMatchObject({ status: 400, body: { pointer: '/no_such' } });
      const [name = ''] = Object.keys(route.query.shape);
      const twice = await ask('admin', route.method, `${pathTo(route.path)}?${name}=a&${name}=b`);
      expect(twice).toMatchObject({ status: 400, body: { pointer: `/${name}` } });
    });
  }
});

test('a body that arrives too slowly is cut off with 408, and holds nobody else', async () => {
  const slow = httpRequest(new URL('/api/v1/inference/batch', url), {
    method: 'POST',
    headers: {
      authorization: `Bearer ${tokens.admin}`,
      'content-type': 'application/json',
      'content-length': '1000',
    },
  });
  slow.on('error', () => {});
  const answered = new Promise<number>((resolve) => {
    slow.once('response', (response) => resolve(response.statusCode ?? 0));
  });
  slow.write('{"model_id":');
  expect((await ask('reader', 'GET', '/api/v1/inference/batch')).status).toBe(200);
  expect(await answered).toBe(408);
});

test('broken encodings, methods and paths are 4xx with a code', async () => {
  for (const [method, path] of [
    ['GET', '/api/v1/inference/batch/%ff'],
    ['GET', '/api/v1/inference/batch/%zz'],
    ['PUT', '/api/v1/inference/batch'],
    ['GET', `/api/v1/inference/batch/${'x'.repeat(5_000)}`],
    ['GET', '/api/v1/inference/batch?cursor=AAAA'],
    ['GET', '/nowhere'],
  ] as const) {
    const answer = await ask('admin', method, path);
    expect(answer.status, `${path} ${answer.text}`).toBeGreaterThanOrEqual(400);
    expect(answer.status).toBeLessThan(500);
    expect(answer.body.code).toEqual(expect.any(String));
  }
});

test('what was done, and what was refused, stands in the audit log of its tenant only', async () => {
  await ask('reader', 'POST', `/api/v1/inference/batch/${jobId}/cancel`, {});
  const { body } = await ask('admin', 'GET', '/api/v1/audit?limit=1000');
  const entries = body.entries as { action: string; target: string; status: number; code: string | null }[];
  expect(entries[0]).toMatchObject({ action: 'cancelJob', status: 403, code: 'FORBIDDEN' });
  expect(
    entries.some((each) => each.action === 'submitJob' && each.target === jobId && each.status === 201),
  ).toBe(true);
  expect(JSON.stringify(body)).not.toContain('bw_');
  const others = await ask('other tenant', 'GET', '/api/v1/audit?limit=1000');
  expect(others.text).not.toContain(`"target":"${jobId}"`);
});

test('paths outside of the tenant’s folders are refused wherever they stand', async () => {
  const refused = async (spec: object, pointer: string) =>
    expect(await ask('admin', 'POST', '/api/v1/inference/batch', spec)).toMatchObject({
      status: 403,
      body: { code: 'PATH_FORBIDDEN', pointer },
    });
  const good = job();
  await refused({ ...good, model_id: '/etc/m.onnx' }, '/model_id');
  await refused(
    { ...good, input: { ...good.input, path: ['in.parquet', '/etc/*.parquet'] } },
    '/input/path/1',
  );
  await refused({ ...good, input: { ...good.input, path: '../*/x.parquet' } }, '/input/path/0');
  await refused({ ...good, output: { ...good.output, path: '/tmp/elsewhere' } }, '/output/path');
  await refused({ ...good, output: { ...good.output, path: 'state/workspace' } }, '/output/path');
});

test('a database that the machine’s own user may read is nobody’s over HTTP, as input or as side input', async () => {
  const table = { source: 'table', connection: 'warehouse', table: 'customers', key: 'id', features: ['x'] };
  const side = {
    ...job().input,
    transform: 'SELECT id, x FROM input',
    side_inputs: { s: { source: 'sql', connection: 'warehouse', query: 'SELECT 1' } },
  };
  for (const [input, field] of [
    [table, 'input.connection'],
    [side, 'input.side_inputs.s.connection'],
  ] as const) {
    const { status, body, text } = await ask('admin', 'POST', '/api/v1/inference/batch', { ...job(), input });
    expect(status, text).toBeGreaterThanOrEqual(400);
    expect(status, text).toBeLessThan(500);
    expect(body).toMatchObject({ code: 'SPEC_NOT_BUILT', place: { field } });
  }
});

test('the same Idempotency-Key a hundred times at once is one job; with another body it is refused', async () => {
  const spec = job();
  const send = (body: object) =>
    fetch(new URL('/api/v1/inference/batch', url), {
      method: 'POST',
      headers: {
        authorization: `Bearer ${tokens.submitter}`,
        'content-type': 'application/json',
        'idempotency-key': 'night-1',
      },
      body: JSON.stringify(body),
    });
  const replies = await Promise.all(Array.from({ length: 100 }, () => send(spec)));
  const texts = new Set(await Promise.all(replies.map((reply) => reply.text())));
  expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([201]));
  expect(texts.size).toBe(1);
  const [text = ''] = texts;
  const first = JSON.parse(text) as { job_id: string; input_row_count: number };
  expect(first.input_row_count).toBe(10);
  // It has ended by now, and its destination may be taken: the answer stays what it was.
  await ask('admin', 'POST', `/api/v1/inference/batch/${first.job_id}/cancel`, {});
  expect(await (await send(spec)).text()).toBe(text);
  const other = await send({ ...spec, name: 'another' });
  expect({ status: other.status, body: await other.json() }).toMatchObject({
    status: 422,
    body: { code: 'IDEMPOTENCY_CONFLICT' },
  });
});

test('a list goes on where its page ended, without a gap or a double', async () => {
  for (let at = 0; at < 5; at += 1) {
    const { body } = await ask('submitter', 'POST', '/api/v1/inference/batch', job());
    await ask('submitter', 'POST', `/api/v1/inference/batch/${body.job_id}/cancel`, {});
  }
  const all = (await ask('reader', 'GET', '/api/v1/inference/batch?limit=1000')).body.jobs as {
    job_id: string;
  }[];
  const seen: string[] = [];
  for (let cursor = ''; ; ) {
    const { body } = await ask('reader', 'GET', `/api/v1/inference/batch?limit=2${cursor}`);
    seen.push(...(body.jobs as { job_id: string }[]).map(({ job_id }) => job_id));
    if (body.next_cursor === null) break;
    cursor = `&cursor=${body.next_cursor}`;
  }
  expect(seen).toEqual(all.map(({ job_id }) => job_id));
  expect(seen.length).toBeGreaterThanOrEqual(5);
});
