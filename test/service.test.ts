import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { get } from 'node:https';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import type { EventView, JobStatus } from '../src/core/wire.ts';
import { event, jobDetail, jobStatus, shardList } from '../src/http/answers.ts';
import { identityModel } from './onnx-builder.ts';
import { type RunningCli, startCli } from './support/cli.ts';
import { sql } from './support/parquet.ts';
import { eventOf, workshop } from './support/workshop.ts';

const shop = workshop('service', {});
afterAll(() => shop.remove());

const ROWS = 20_000;
beforeAll(async () => {
  writeFileSync(join(shop.home, 'm.onnx'), identityModel());
  await sql(
    `COPY (SELECT i AS id, CASE WHEN i % 1000 = 7 THEN NULL ELSE i::FLOAT END AS x FROM range(${ROWS}) t(i))
       TO '${shop.home}/in.parquet' (FORMAT parquet)`,
  );
});

interface Server {
  readonly running: RunningCli;
  readonly url: string;
  ask(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
  stop(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null>;
}
interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly body: Record<string, unknown>;
}

const JOBS = '/api/v1/inference/batch';

/** A server in a folder of its own; started again there, it has the same key. */
async function serve(
  folder: string,
  args: readonly string[] = [],
  env: Record<string, string> = {},
): Promise<Server> {
  const running = startCli(
    ['serve', '--json', '--port', '0', '--storage-roots', `default=${shop.home}`, ...args],
    folder,
    env,
  );
  onTestFinished(() => {
    running.child.kill('SIGKILL');
  });
  const { url } = (await eventOf(running, ({ event }) => event === 'serving')) as unknown as { url: string };
  const key = readFileSync(join(folder, '.batchwright/admin-key'), 'utf8').trim();
  return {
    running,
    url,
    async ask(method, path, body, headers = {}) {
      const reply = await fetch(new URL(path, url), {
        method,
        headers: {
          authorization: `Bearer ${key}`,
          ...(body === undefined || body instanceof FormData ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: body instanceof FormData ? body : JSON.stringify(body) }),
      });
      const text = await reply.text();
      return {
        status: reply.status,
        headers: reply.headers,
        text,
        body: text.startsWith('{') ? JSON.parse(text.split('\n')[0] ?? '') : {},
      };
    },
    async stop(signal) {
      running.child.kill(signal);
      return (await running.ended).code;
    },
  };
}

const spec = (name: string, more: object = {}) => ({
  name,
  model_id: 'm.onnx',
  input: { source: 'parquet', path: 'in.parquet', key: 'id', features: ['x'] },
  output: { destination: 'parquet', path: `out/${name}` },
  config: { error_budget: '1%', parallelism: 1 },
  ...more,
});

async function ended(server: Server, jobId: string): Promise<JobStatus> {
  for (;;) {
    const { body, status, text } = await server.ask('GET', `${JOBS}/${jobId}?wait=30`);
    expect(status, text).toBe(200);
    const job = body as unknown as JobStatus;
    if (['completed', 'failed', 'cancelled'].includes(job.status)) return job;
  }
}

/** The events of a job; with `Last-Event-ID`, those after it. */
async function events(server: Server, jobId: string, after = 0): Promise<EventView[]> {
  const { text } = await server.ask('GET', `${JOBS}/${jobId}/events`, undefined, {
    'last-event-id': String(after),
  });
  return text
    .split('\n')
    .filter((line) => line.startsWith('data: '))
    .map((line) => JSON.parse(line.slice(6)) as EventView);
}

test('a job from submission to rows: key in a file of its owner, progress, results in three formats with ranges, rejects, manifest, log', async () => {
  const { folder } = shop.bench('whole');
  const server = await serve(folder);
  expect(statSync(join(folder, '.batchwright/admin-key')).mode & 0o777).toBe(0o600);
  const second = await startCli(['serve', '--port', '0'], folder).ended;
  expect(second.code).toBe(1);
  expect(second.stderr).toMatch(/^STATE_LOCKED: Process \d+ is the manager of .*\n {2}.*\n$/);

  const submitted = await server.ask('POST', JOBS, spec('whole'));
  expect(submitted, submitted.text).toMatchObject({
    status: 201,
    body: { status: 'submitted', input_row_count: ROWS, estimated_duration_minutes: null },
  });
  const jobId = submitted.body.job_id as string;
  const job = await ended(server, jobId);
  expect(job).toMatchObject({
    status: 'completed',
    counts: { read: ROWS, scored: ROWS - 20, rejected: 20 },
    progress: { percentage: 100 },
    warnings: [expect.stringContaining('20 of 20000')],
    error: null,
  });

  const results = `${JOBS}/${jobId}/results?format=`;
  const csv = await server.ask('GET', `${results}csv`);
  expect(csv).toMatchObject({ status: 200 });
  expect(csv.text.trimEnd().split('\n')).toHaveLength(ROWS - 20 + 1);
  const tag = csv.headers.get('etag') ?? '';
  const part = await server.ask('GET', `${results}csv`, undefined, { range: 'bytes=10-29', 'if-range': tag });
  expect(part).toMatchObject({ status: 206, text: csv.text.slice(10, 30) });
  expect(part.headers.get('content-range')).toBe(`bytes 10-29/${csv.text.length}`);
  const last = await server.ask('GET', `${results}csv`, undefined, { range: 'bytes=-5' });
  expect(last).toMatchObject({ status: 206, text: csv.text.slice(-5) });
  const beyond = await server.ask('GET', `${results}csv`, undefined, { range: `bytes=${csv.text.length}-` });
  expect(beyond.status).toBe(416);
  expect((await server.ask('GET', `${results}csv`, undefined, { 'if-none-match': tag })).status).toBe(304);
  expect((await server.ask('GET', `${results}parquet`)).text.slice(0, 4)).toBe('PAR1');
  const lines = (await server.ask('GET', `${results}jsonl`)).text.trimEnd().split('\n');
  expect(lines).toHaveLength(ROWS - 20);
  const rejects = (await server.ask('GET', `${JOBS}/${jobId}/rejects`)).text.trimEnd().split('\n');
  expect(rejects).toHaveLength(20);
  expect(JSON.parse(rejects[0] ?? '')).toMatchObject({ reject_code: 'NULL_FEATURE', id: 7 });
  expect((await server.ask('GET', `${JOBS}/${jobId}/manifest`)).body.payloadType).toContain('in-toto');
  expect((await server.ask('GET', `${JOBS}/${jobId}/logs`)).text).toContain('task begins');
  const shards = (await server.ask('GET', `${JOBS}/${jobId}/shards?limit=1`)).body;
  expect(shards.shards).toMatchObject([{ shard: 0, first_row: 0, state: 'accepted' }]);

  // What is answered is what the OpenAPI document says.
  for (const [schema, path] of [
    [jobStatus, ''],
    [jobDetail, '/detail'],
    [shardList, '/shards'],
  ] as const) {
    const { body } = await server.ask('GET', `${JOBS}/${jobId}${path}`);
    expect(schema.safeParse(body).error, path).toBeUndefined();
  }
  for (const each of await events(server, jobId)) expect(event.safeParse(each).error).toBeUndefined();

  // The next one is estimated by what this one took.
  const next = await server.ask('POST', JOBS, spec('next'));
  expect(next.body.estimated_duration_minutes).toBeGreaterThan(0);
  // A command in the folder talks to the server.
  const listed = await startCli(['jobs', '--json'], folder).ended;
  expect(listed.stdout).toContain(jobId);
  const retried = await server.ask('POST', `${JOBS}/${jobId}/retry`, { mode: 'complete' });
  expect(retried, retried.text).toMatchObject({ status: 201, body: { status: 'submitted' } });
  await ended(server, retried.body.job_id as string);
  const metrics = (await server.ask('GET', '/metrics')).text;
  expect(metrics).toMatch(/batchwright_jobs\{state="completed"\} [23]\n/);
  expect(metrics).toMatch(/batchwright_lease_seconds_count\{outcome="completed"\} [1-9]/);
  expect(metrics).toMatch(/batchwright_publish_seconds_count [1-9]/);
  expect(await server.stop('SIGTERM')).toBe(0);
});

test('over kill -9 and SIGTERM of the server nothing acknowledged is lost: events have no gap and no double, jobs go on, a repeated submission is the same job', async () => {
  const { folder } = shop.bench('again');
  let server = await serve(folder);
  const key = { 'idempotency-key': 'only-once' };
  const first = await server.ask('POST', JOBS, spec('again'), key);
  const jobId = first.body.job_id as string;
  const waiting = await server.ask('POST', JOBS, spec('waiting'));
  // Killed as soon as something has happened; the key is shown once only.
  const seen: EventView[] = (await (async () => {
    const reply = await fetch(new URL(`${JOBS}/${jobId}/events`, server.url), {
      headers: {
        authorization: `Bearer ${readFileSync(join(folder, '.batchwright/admin-key'), 'utf8').trim()}`,
      },
    });
    let text = '';
    for await (const chunk of reply.body ?? []) {
      text += Buffer.from(chunk).toString();
      if (text.includes('job.preparing')) break;
    }
    return text
      .split('\n')
      .filter((line) => line.startsWith('data: '))
      .map((line) => JSON.parse(line.slice(6)));
  })()) as EventView[];
  await server.stop('SIGKILL');

  server = await serve(folder);
  expect((await server.ask('POST', JOBS, spec('again'), key)).text).toBe(first.text);
  const rest = await events(server, jobId, seen.at(-1)?.seq ?? 0);
  const all = [...seen, ...rest];
  expect(all.map(({ seq }) => seq)).toEqual(all.map((_, at) => at + 1));
  expect(all.at(-1)?.type).toBe('job.completed');
  expect((await ended(server, jobId)).counts).toMatchObject({ read: ROWS, scored: ROWS - 20 });
  const after = await server.ask('GET', `${JOBS}/${jobId}/events`, undefined, {
    'last-event-id': String(all.length),
  });
  expect(after.status).toBe(204);
  expect((await ended(server, waiting.body.job_id as string)).status).toBe('completed');
  expect((await server.ask('GET', JOBS)).body.jobs).toHaveLength(2);

  const third = await server.ask('POST', JOBS, spec('third'));
  expect(await server.stop('SIGTERM')).toBe(0);
  server = await serve(folder);
  expect((await ended(server, third.body.job_id as string)).status).toBe('completed');
});

test('a model is uploaded in one request, its digest checked, scored with by name, and not removed while it is in use', async () => {
  const { folder } = shop.bench('models');
  const server = await serve(folder);
  const upload = (metadata: object, bytes = identityModel()) => {
    const form = new FormData();
    form.append('metadata', JSON.stringify(metadata));
    form.append('model', new Blob([new Uint8Array(bytes)]), 'm.onnx');
    return server.ask('POST', '/api/v1/models/same/upload', form);
  };
  expect(await upload({ sha256: '0'.repeat(64) })).toMatchObject({
    status: 422,
    body: { code: 'MODEL_CORRUPT' },
  });
  expect(await upload({}, Buffer.from('no model'))).toMatchObject({ status: 422 });
  expect(await upload({ no_such: 1 })).toMatchObject({ status: 400, body: { pointer: '/no_such' } });
  const added = await upload({ features: ['x'], key: 'id', alias: 'champion' });
  expect(added, added.text).toMatchObject({
    status: 201,
    body: { added: true, model: { reference: 'same@1' } },
  });
  expect(await upload({ features: ['x'], key: 'id' })).toMatchObject({ status: 200, body: { added: false } });
  // Key and order of features come from the version.
  const submitted = await server.ask('POST', JOBS, {
    ...spec('named'),
    model_id: 'same@champion',
    input: { source: 'parquet', path: 'in.parquet' },
  });
  expect(await ended(server, submitted.body.job_id as string)).toMatchObject({
    status: 'completed',
    model: { registered: { name: 'same', version: 1, alias: 'champion' } },
  });
  expect(await server.ask('DELETE', '/api/v1/models/same/versions/1')).toMatchObject({
    status: 409,
    body: { code: 'MODEL_IN_USE' },
  });
  await server.ask('POST', '/api/v1/models/same/aliases', { alias: 'champion', version: null });
  expect(await server.ask('DELETE', '/api/v1/models/same/versions/1')).toMatchObject({
    status: 200,
    body: { removed: true },
  });
});

test('each setting has its effect', async () => {
  const { folder } = shop.bench('settings');
  writeFileSync(join(folder, 'server.yaml'), 'max_input_rows: 100\nrequests_per_minute: 20\n');
  const server = await serve(folder, ['--config', 'server.yaml', '--max-body-mb', '1'], {
    BATCH_DEFAULT_PARALLELISM: '2',
    BATCH_MAX_CONCURRENT_JOBS: '1',
    BATCH_RESULT_TTL_HOURS: '5',
  });
  const big = await server.ask('POST', JOBS, 'x'.repeat(2 ** 20 + 10));
  expect(big).toMatchObject({ status: 413, body: { code: 'BODY_TOO_LARGE' } });
  const submitted = await server.ask('POST', JOBS, { ...spec('large'), config: { error_budget: '1%' } });
  const jobId = submitted.body.job_id as string;
  const detail = await server.ask('GET', `${JOBS}/${jobId}/detail`);
  expect(detail.body.specification).toMatchObject({ config: { parallelism: 2 } });
  const job = await ended(server, jobId);
  expect(job).toMatchObject({ status: 'failed', error: { code: 'INPUT_TOO_LARGE' } });
  expect(job.error?.cause).toContain(`${ROWS} rows`);
  // What is limited to 100 rows may run.
  const limited = {
    ...spec('few'),
    input: { source: 'parquet', path: 'in.parquet', key: 'id', features: ['x'], limit: 90 },
  };
  const few = await server.ask('POST', JOBS, { ...limited, config: { error_budget: 5 } });
  expect((await ended(server, few.body.job_id as string)).status).toBe('completed');
  const codes = [];
  for (let at = 0; at < 25; at += 1) codes.push((await server.ask('GET', JOBS)).status);
  expect(codes.at(-1)).toBe(429);
  expect(
    await startCli(['serve', '--print-config', '--config', 'server.yaml'], folder, { BATCHWRIGHT_PORT: '99' })
      .ended,
  ).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/max_input_rows\s+100\s+rows\s+server\.yaml\n/),
  });
});

test('a key that is revoked is good for nothing from that moment on, and one that is rotated while both are good', async () => {
  const { folder } = shop.bench('keys');
  const server = await serve(folder);
  const cli = (...args: string[]) => startCli(['key', ...args, '--json'], folder).ended;
  const made = (await cli('create', '--name', 'nightly', '--tenant', 'fraud', '--role', 'reader'))
    .events[0] as {
    key: string;
    prefix: string;
  };
  const as = (key: string) =>
    fetch(new URL(JOBS, server.url), { headers: { authorization: `Bearer ${key}` } }).then(
      ({ status }) => status,
    );
  expect(await as(made.key)).toBe(200);
  const rotated = (await cli('rotate', made.prefix)).events[0] as { key: string; prefix: string };
  expect(await Promise.all([as(made.key), as(rotated.key)])).toEqual([200, 200]);
  expect((await cli('revoke', made.prefix)).code).toBe(0);
  expect(await Promise.all([as(made.key), as(rotated.key)])).toEqual([401, 200]);
  // Of the secret, nothing is kept.
  const state =
    readFileSync(join(folder, '.batchwright/ledger.sqlite'), 'latin1') +
    readFileSync(join(folder, '.batchwright/ledger.sqlite-wal'), 'latin1');
  for (const { key } of [made, rotated]) expect(state).not.toContain(key.slice(-43));
  const logs = readFileSync(join(folder, '.batchwright/logs/manager.log'), 'utf8');
  expect(logs).not.toContain(made.key.slice(-43));
  const listed = (await cli('list')).stdout;
  expect(listed).toContain('fraud');
  expect(listed).not.toContain(made.key);
});

test('a folder that is changed for a link out of the tenant’s, after the submission, fails the job: nothing is scored, nothing published', async () => {
  const { folder } = shop.bench('links');
  mkdirSync(join(folder, 'mine/day'), { recursive: true });
  copyFileSync(join(shop.home, 'in.parquet'), join(folder, 'mine/day/in.parquet'));
  writeFileSync(join(folder, 'mine/m.onnx'), identityModel());
  const server = await serve(folder, ['--storage-roots', 'default=mine', '--max-concurrent-jobs', '1']);
  const job = (name: string) => ({
    ...spec(name),
    input: { source: 'parquet', path: 'day/*.parquet', key: 'id', features: ['x'] },
  });
  const first = await server.ask('POST', JOBS, job('before'));
  const waiting = await server.ask('POST', JOBS, job('after'));
  expect(waiting.status, waiting.text).toBe(201);
  renameSync(join(folder, 'mine/day'), join(folder, 'mine/yesterday'));
  symlinkSync(shop.home, join(folder, 'mine/day'));
  await server.ask('POST', `${JOBS}/${first.body.job_id}/cancel`, {});
  expect(await ended(server, waiting.body.job_id as string)).toMatchObject({
    status: 'failed',
    counts: { read: 0 },
    error: { code: 'PATH_FORBIDDEN' },
  });
});

test('with max_concurrent_jobs 1 the second job of a tenant waits for the first', async () => {
  const { folder } = shop.bench('one-at-a-time');
  const server = await serve(folder, ['--max-concurrent-jobs', '1']);
  const ids: string[] = [];
  for (const name of ['a', 'b', 'c'])
    ids.push((await server.ask('POST', JOBS, spec(`one-${name}`))).body.job_id as string);
  const jobs = await Promise.all(ids.map((id) => ended(server, id)));
  const spans = await Promise.all(
    ids.map(async (id) => {
      const times = (await events(server, id)).map(({ type, at }) => [type, Date.parse(at)] as const);
      const of = new Map(times);
      return { from: of.get('job.preparing') ?? 0, to: of.get('job.completed') ?? 0 };
    }),
  );
  expect(jobs.map(({ status }) => status)).toEqual(['completed', 'completed', 'completed']);
  for (const [at, { from }] of spans.entries())
    if (at > 0) expect(from).toBeGreaterThanOrEqual(spans[at - 1]?.to ?? Number.POSITIVE_INFINITY);
});

test('with certificate and key it speaks TLS only, to others and to its own workers alike; one that is broken keeps it from starting', async () => {
  const { folder } = shop.bench('tls');
  const tls = ['--tls-cert', 'cert.pem', '--tls-key', 'key.pem'];
  execFileSync(
    'openssl',
    'req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout key.pem -out cert.pem'.split(
      ' ',
    ),
    { cwd: folder, stdio: 'ignore' },
  );
  const server = await serve(folder, tls);
  expect(server.url).toMatch(/^https:/);
  const ca = readFileSync(join(folder, 'cert.pem'));
  const strict = await new Promise<string | string[] | undefined>((resolve, reject) => {
    get(`${server.url}/healthz`, { ca }, (response) => {
      response.resume();
      resolve(response.headers['strict-transport-security']);
    }).once('error', reject);
  });
  expect(strict).toContain('max-age');
  await expect(fetch(`${server.url.replace('https', 'http')}/healthz`)).rejects.toThrow();
  // A job of the command line in this folder runs in the server, by the server's own door.
  const run = await startCli(
    [
      'run',
      '--json',
      '--model',
      join(shop.home, 'm.onnx'),
      '--input',
      join(shop.home, 'in.parquet'),
      '--key',
      'id',
      '--features',
      'x',
      '--output',
      'out',
      '--error-budget',
      '1%',
    ],
    folder,
  ).ended;
  expect(run.events.at(-1)).toMatchObject({ event: 'completed', peak_memory_bytes: null });
  await server.stop('SIGTERM');
  writeFileSync(join(folder, 'cert.pem'), 'no certificate');
  const broken = await startCli(['serve', '--port', '0', ...tls], folder).ended;
  expect(broken.stderr).toMatch(/^SETTING_INVALID: .*\n {2}.*\n$/);
});

test('an upload beyond max_model_mb is refused, and leaves nothing behind', async () => {
  const { folder } = shop.bench('large-model');
  const server = await serve(folder, ['--max-model-mb', '1']);
  const form = new FormData();
  form.append('model', new Blob([new Uint8Array(2 ** 20 + 1)]), 'm.onnx');
  expect(await server.ask('POST', '/api/v1/models/big/upload', form)).toMatchObject({
    status: 413,
    body: { code: 'BODY_TOO_LARGE' },
  });
  const left = execFileSync('find', ['.batchwright/workspace', '-name', 'm.onnx'], { cwd: folder });
  expect(left.toString()).toBe('');
});
