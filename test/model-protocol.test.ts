import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { modelAddCommand } from '../src/cli/commands/model/add.ts';
import { clientOf } from '../src/cli/connect.ts';
import { openEmbeddedManager } from '../src/cli/embedded-manager.ts';
import { openOutput } from '../src/cli/output.ts';
import { thisProgram } from '../src/cli/program.ts';
import { openStateFolder } from '../src/cli/state-folder.ts';
import { transportTo } from '../src/cli/transport-to.ts';
import { createModelClient } from '../src/client/model-client.ts';
import type { Compute } from '../src/compute/compute.ts';
import { createLocalCompute } from '../src/compute/local/local-compute.ts';
import type { JobStatus } from '../src/core/wire.ts';
import { linearModel } from './onnx-builder.ts';
import { sql } from './support/parquet.ts';

/** A live manager whose workers start only once `letWorkersStart` is called, and an input of ten rows. */
async function openManager() {
  const home = mkdtempSync(join(tmpdir(), 'batchwright-models-'));
  onTestFinished(() => rmSync(home, { recursive: true, force: true }));
  await sql(
    `COPY (SELECT i AS id, i::FLOAT AS a, (10 * i)::FLOAT AS b FROM range(10) t(i)) TO '${home}/in.parquet' (FORMAT parquet)`,
  );
  const local = createLocalCompute({
    program: thisProgram(),
    storageRoot: '/',
    scratch: join(home, 'scratch'),
    slots: 1,
  });
  const gate = Promise.withResolvers<void>();
  const compute: Compute = {
    ...local,
    provision(request) {
      const fleet = local.provision(request);
      return { ...fleet, scaleUp: (count) => void gate.promise.then(() => fleet.scaleUp(count)) };
    },
  };
  const state = join(home, 'state');
  const manager = await openEmbeddedManager(openStateFolder(state), { work: true, compute });
  onTestFinished(() => manager.close());
  const client = clientOf(manager.endpoint, 1);
  const models = createModelClient(transportTo(manager.endpoint, 1));

  /** As another process on the same state folder does. */
  const add = (weights: readonly number[], alias: string | null) => {
    const file = join(home, `${weights.join('-')}.onnx`);
    writeFileSync(file, linearModel(weights));
    const options = { name: 'churn', file, alias, features: ['a', 'b'], key: null, outputs: null };
    return modelAddCommand({ ...options, tags: {}, description: null }, state, SILENT);
  };
  const spec = {
    model_id: 'churn@champion',
    input: { source: 'parquet', path: join(home, 'in.parquet'), key: 'id' },
    output: { destination: 'parquet', path: join(home, 'out') },
    config: { parallelism: 1, retry_count: 0 },
  };
  const submit = () => client.submit(spec, { requestId: randomUUID(), fresh: false, adopt: false });
  const reaches = async (jobId: string, state: JobStatus['status']): Promise<JobStatus> => {
    await expect.poll(async () => (await client.status(jobId)).status, { timeout: 60_000 }).toBe(state);
    return client.status(jobId);
  };
  return { home, manager, client, models, add, submit, reaches, letWorkersStart: gate.resolve };
}

const SILENT = { ...openOutput({ json: true }), result: () => {} };

test('an alias that moves while a job runs changes nothing for the job', async () => {
  const { home, models, add, submit, reaches, letWorkersStart } = await openManager();
  await add([1, 2], 'champion');
  const { job_id } = await submit();
  await reaches(job_id, 'running');
  await add([3, 4], 'champion');
  expect((await models.show('churn', { limit: 5, before: null })).aliases).toEqual([
    { alias: 'champion', version: 2 },
  ]);
  letWorkersStart();
  const job = await reaches(job_id, 'completed');
  expect(job.model.registered).toEqual({ name: 'churn', version: 1, alias: 'champion' });
  expect(await sql(`SELECT sum(y) AS y FROM read_parquet('${home}/out/part-*.parquet')`)).toEqual([
    { y: 45 + 2 * 450 },
  ]);
});

test('a worker refuses bytes that changed after they were pinned, and the job fails', async () => {
  const { models, add, submit, reaches, letWorkersStart } = await openManager();
  await add([1, 2], 'champion');
  const { job_id } = await submit();
  await reaches(job_id, 'running');
  const { selected } = await models.show('churn@1', { limit: 5, before: null });
  const path = `/${selected?.files[0]?.key}`;
  const bytes = readFileSync(path);
  bytes[bytes.length - 30] = (bytes.at(-30) as number) ^ 1;
  writeFileSync(path, bytes);
  letWorkersStart();
  const job = await reaches(job_id, 'failed');
  expect(job.error).toMatchObject({
    code: 'MODEL_CHANGED',
    message: expect.stringContaining('churn@champion'),
  });
});

test('without the right token nothing is answered, and no request about models is a 5xx', async () => {
  const { manager, add, submit } = await openManager();
  await add([1, 2], 'champion');
  await submit();
  const { url, token } = manager.endpoint;
  const ask = async (method: string, path: string, body?: unknown, bearer = token) => {
    const reply = await fetch(new URL(path, url), {
      method,
      headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    return { status: reply.status, ...((await reply.json()) as { code?: string; next?: string }) };
  };
  const base = '/api/v1/models';
  const routes: [string, string, unknown?][] = [
    ['GET', base],
    ['GET', `${base}/churn`],
    ['POST', `${base}/churn/versions`, {}],
    ['POST', `${base}/churn/aliases`, { alias: 'a', version: 1, by: null }],
    ['POST', `${base}/churn/versions/1/remove`, { force: true, by: null }],
  ];
  for (const [method, path, body] of routes)
    expect(await ask(method, path, body, 'bw.e30.e30')).toMatchObject({ status: 401, code: 'UNAUTHORIZED' });

  const sha256 = 'a'.repeat(64);
  const good = {
    bytes: { sha256, sizeBytes: 1, companions: [] },
    signature: { inputs: [], outputs: [] },
    tags: {},
    description: null,
    alias: null,
    by: null,
  };
  const companion = (name: string) => ({ ...good.bytes, companions: [{ name, sizeBytes: 1, sha256 }] });
  const bodies: unknown[] = [
    '',
    '{',
    'null',
    [],
    7,
    { ...good, more: 1 },
    { ...good, bytes: null },
    { ...good, bytes: { ...good.bytes, sha256: '../../etc/passwd' } },
    { ...good, bytes: companion('model.onnx/w') },
    { ...good, features: [] },
    { ...good, features: ['\0'] },
    { ...good, outputs: { y: 'p' } },
    { ...good, tags: { a: 1 } },
    { ...good, alias: 'v3' },
    { ...good, alias: '\0' },
    { ...good, description: 'x'.repeat(10_001) },
    good,
  ];
  const names = ['../w', '/w', 'a/../w', '', 'a//b', 'a\0b', 'x'.repeat(256), 'a\\b', '.', '\ud800'];
  for (const name of names) {
    const body = { ...good, bytes: companion(name) };
    expect(await ask('POST', `${base}/churn/versions`, body), name).toMatchObject({
      status: 400,
      code: 'REQUEST_INVALID',
    });
  }
  const bad: [string, string, unknown?][] = [
    ...bodies.map((body): [string, string, unknown] => ['POST', `${base}/churn/versions`, body]),
    ['POST', `${base}/a%2Fb/versions`, good],
    ['POST', `${base}/%00/versions`, good],
    ['GET', `${base}/%E0%A4%A`],
    ['GET', `${base}/churn@0`],
    ['GET', `${base}/churn@9`],
    ['GET', `${base}/none`],
    ['GET', `${base}?limit=0`],
    ['GET', `${base}?limit=1001`],
    ['GET', `${base}/churn?before=x`],
    ['GET', `${base}/${'x'.repeat(5_000)}`],
    ['POST', `${base}/churn/aliases`, { alias: 'a', version: 9, by: null }],
    ['POST', `${base}/churn/aliases`, { alias: 'none', version: null, by: null }],
    ['POST', `${base}/churn/aliases`, { alias: 'latest', version: 1, by: null }],
    ['POST', `${base}/none/aliases`, { alias: 'a', version: 1, by: null }],
    ['POST', `${base}/churn/versions/1/remove`, { force: false, by: null }],
    ['POST', `${base}/churn/versions/x/remove`, { force: false, by: null }],
    ['POST', `${base}/churn/versions/99/remove`, { force: false, by: null }],
    ['POST', `${base}/none/versions/1/remove`, { force: false, by: null }],
  ];
  for (const [method, path, body] of bad) {
    const answer = await ask(method, path, body);
    const what = `${method} ${path} ${JSON.stringify(body)?.slice(0, 200)}`;
    expect(answer.status, what).toBeGreaterThanOrEqual(400);
    expect(answer.status, what).toBeLessThan(500);
    expect(answer.next, what).not.toBe('');
  }
});
