import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { clientOf } from '../src/cli/connect.ts';
import { openEmbeddedManager } from '../src/cli/embedded-manager.ts';
import { openStateFolder } from '../src/cli/state-folder.ts';
import type { Compute, FleetRequest } from '../src/compute/compute.ts';
import { identityModel } from './onnx-builder.ts';
import { sql } from './support/parquet.ts';

const JOBS = '/api/v1/inference/batch';

/** A live manager, which starts workers with `compute`, and a job for it. */
async function openManager(compute: Pick<Compute, 'provision'>) {
  const home = mkdtempSync(join(tmpdir(), 'batchwright-protocol-'));
  onTestFinished(() => rmSync(home, { recursive: true, force: true }));
  writeFileSync(join(home, 'm.onnx'), identityModel());
  await sql(
    `COPY (SELECT i AS id, i::FLOAT AS x FROM range(10) t(i)) TO '${home}/in.parquet' (FORMAT parquet)`,
  );
  const manager = await openEmbeddedManager(openStateFolder(join(home, 'state')), {
    work: true,
    compute: { slots: 1, memoryMb: 1_024, ...compute },
  });
  onTestFinished(() => manager.close());
  const spec = {
    model_id: join(home, 'm.onnx'),
    input: { source: 'parquet', path: join(home, 'in.parquet'), key: 'id', features: ['x'] },
    output: { destination: 'parquet', path: join(home, 'out') },
    config: { retry_count: 1 },
  };
  return { manager, client: clientOf(manager.endpoint, 1), spec };
}

const NO_WORKERS = { workers: () => [], scaleUp: () => {}, stop: async () => {} };

test('without the right token nothing is answered, and no request of whatever form is a 5xx', async () => {
  const { promise: provisioned, resolve } = Promise.withResolvers<FleetRequest>();
  const { manager, client, spec } = await openManager({
    provision(request) {
      resolve(request);
      return NO_WORKERS;
    },
  });
  const { job_id } = await client.submit(spec, { requestId: randomUUID(), fresh: false, adopt: false });
  const { url, token: admin } = manager.endpoint;
  const { token: worker } = await provisioned;
  const [head = '', payload = '', seal = ''] = worker.split('.');
  const promoted = { ...JSON.parse(Buffer.from(payload, 'base64url').toString()), role: 'admin' };
  const forged = `${head}.${Buffer.from(JSON.stringify(promoted)).toString('base64url')}.${seal}`;

  const ask = async (path: string, token: string | null, init: RequestInit = {}) => {
    const headers = {
      'content-type': 'application/json',
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
    };
    const reply = await fetch(new URL(path, url), { ...init, headers });
    const problem = (await reply.json()) as { code?: string; next?: string };
    return { status: reply.status, code: problem.code, helps: (problem.next ?? '') !== '' };
  };
  const unauthorized = { status: 401, code: 'UNAUTHORIZED', helps: true };
  for (const token of [null, 'x', 'bw.e30.e30', `${admin}x`, forged, worker]) {
    expect(await ask(`${JOBS}/${job_id}`, token)).toEqual(unauthorized);
    expect(await ask(`${JOBS}/${job_id}/cancel`, token, { method: 'POST', body: '{}' })).toEqual(
      unauthorized,
    );
  }
  expect(await ask('/api/v1/worker/claim', admin, { method: 'POST', body: '{}' })).toEqual(unauthorized);

  const invalid = { status: 400, code: 'REQUEST_INVALID', helps: true };
  const post = (path: string, token: string, body: string) => ask(path, token, { method: 'POST', body });
  for (const body of [
    '',
    'null',
    '[]',
    '{"worker":1}',
    '{"worker":"w","requestId":"r","more":1}',
    '{',
    '\0',
  ]) {
    expect(await post('/api/v1/worker/claim', worker, body), body).toEqual(invalid);
  }
  const foreign = { tenant: 'default', jobId: 'job-of-others', shardId: 0, attempt: 1 };
  const renewed = await post('/api/v1/worker/release', worker, JSON.stringify({ lease: foreign }));
  expect(renewed.status).toBeGreaterThanOrEqual(400);
  expect(renewed.status).toBeLessThan(500);
  for (const body of ['null', '[]', '7', '{"model_id":{}}']) {
    expect(await post(JOBS, admin, body), body).toMatchObject({ status: 400, helps: true });
  }
  expect(await ask('/nowhere', admin)).toMatchObject({ status: 404, code: 'ROUTE_UNKNOWN' });
  expect(await ask(`${JOBS}/job-0`, admin)).toEqual({ status: 404, code: 'JOB_NOT_FOUND', helps: true });
  expect(await ask(`${JOBS}?limit=0`, admin)).toEqual(invalid);

  await manager.close();
  await expect(client.status(job_id)).rejects.toMatchObject({ code: 'MANAGER_UNREACHABLE' });
});

test('workers that end before they ask for work end the job: WORKER_FAILED, not one new worker after the other', async () => {
  let started = 0;
  const { client, spec } = await openManager({
    provision: (request) => ({
      ...NO_WORKERS,
      scaleUp() {
        started += 1;
        queueMicrotask(() => request.onExit({ worker: `proc:${started}`, code: 9, signal: null }));
      },
    }),
  });
  const { job_id } = await client.submit(spec, { requestId: randomUUID(), fresh: false, adopt: false });
  await expect.poll(async () => (await client.status(job_id)).status, { timeout: 60_000 }).toBe('failed');
  expect((await client.status(job_id)).error).toMatchObject({
    code: 'WORKER_FAILED',
    message: expect.stringContaining('exit code 9'),
  });
});
