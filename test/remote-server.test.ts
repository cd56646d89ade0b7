import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { identityModel } from './onnx-builder.ts';
import { startCli } from './support/cli.ts';
import { sql } from './support/parquet.ts';
import { errorOf, eventOf, workshop } from './support/workshop.ts';

const shop = workshop('remote', {});
afterAll(() => shop.remove());
beforeAll(async () => {
  writeFileSync(join(shop.home, 'm.onnx'), identityModel());
  await sql(
    `COPY (SELECT i AS id, CASE WHEN i = 7 THEN NULL ELSE i::FLOAT END AS x FROM range(100) t(i))
       TO '${shop.home}/in.parquet' (FORMAT parquet)`,
  );
});

test('from another folder, with nothing but a URL and a key: submit, watch, status, fetch, retry, cancel', async () => {
  const { folder } = shop.bench('server');
  const running = startCli(
    ['serve', '--json', '--port', '0', '--storage-roots', `default=${shop.home}`],
    folder,
  );
  onTestFinished(() => {
    running.child.kill('SIGKILL');
  });
  const { url } = (await eventOf(running, ({ event }) => event === 'serving')) as unknown as { url: string };
  const key = readFileSync(join(folder, '.batchwright/admin-key'), 'utf8').trim();

  const away = shop.bench('away').folder;
  writeFileSync(
    join(away, 'job.yaml'),
    `name: far
model_id: m.onnx
input: { source: parquet, path: in.parquet, key: id, features: [x] }
output: { destination: parquet, path: out/far }
config: { error_budget: 1, parallelism: 1 }
`,
  );
  const cli = (args: string[], env: Record<string, string> = { BATCHWRIGHT_API_KEY: key }) =>
    startCli([...args, '--server', url, '--json'], away, env).ended;

  const nobody = await cli(['status'], {});
  expect([nobody.code, errorOf(nobody).code]).toEqual([1, 'UNAUTHORIZED']);
  expect(errorOf(nobody).next).toContain('BATCHWRIGHT_API_KEY');
  const wrong = await cli(['status'], { BATCHWRIGHT_API_KEY: 'bw_wrong' });
  expect(errorOf(wrong).code).toBe('UNAUTHORIZED');

  const done = await cli(['submit', 'job.yaml', '--watch', '--idempotency-key', 'k-1']);
  expect(done.code, done.stdout + done.stderr).toBe(0);
  const jobId = (done.events[0] as { job_id: string }).job_id;
  expect(done.events.at(-1)).toMatchObject({
    event: 'completed',
    job: { counts: { scored: 99, rejected: 1 } },
  });
  const again = await cli(['submit', 'job.yaml', '--idempotency-key', 'k-1']);
  expect(again.events[0]).toMatchObject({ job_id: jobId });

  // From here on, by a key in a file.
  mkdirSync(join(away, '.config/batchwright'), { recursive: true });
  writeFileSync(join(away, '.config/batchwright/credentials'), `http://other:1 bw_no\n${url}/ ${key}\n`);
  expect((await cli(['status', 'latest'], {})).events[0]).toMatchObject({ job: { job_id: jobId } });
  expect((await cli(['results', jobId, '--to', 'all.csv'], {})).code).toBe(0);
  expect(readFileSync(join(away, 'all.csv'), 'utf8').trimEnd().split('\n')).toHaveLength(100);
  const over = await cli(['results', jobId, '--to', 'all.csv'], {});
  expect(errorOf(over).code).toBe('FILE_EXISTS');
  expect(errorOf(await cli(['results', jobId, '--where', 'x > 1'], {})).code).toBe('USAGE');
  expect((await cli(['rejects', jobId, '--format', 'jsonl'], {})).events[0]).toMatchObject({ id: 7 });
  const retried = await cli(['retry', jobId, '--mode', 'complete'], {});
  expect(retried.code, retried.stdout + retried.stderr).toBe(0);
  expect(retried.events.at(-1)).toMatchObject({ event: 'completed', job: { retry: { of: jobId } } });
  const late = await cli(['cancel', jobId], {});
  expect(errorOf(late).code).toBe('JOB_FINISHED');
  expect((await cli(['watch', jobId], {})).code).toBe(0);
  expect(existsSync(join(away, '.batchwright'))).toBe(false);
});
