import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { CheckResult } from '../src/cli/check/check-result.ts';
import { linearModel, twoInputModel } from './onnx-builder.ts';
import { sql } from './support/parquet.ts';
import { type Bench, expectRefused, workshop } from './support/workshop.ts';

vi.setConfig({ maxConcurrency: 2, testTimeout: 180_000 });

const shop = workshop('init', {});

beforeAll(async () => {
  await sql(
    `COPY (SELECT i AS customer_id, i::FLOAT AS a, (10 * i)::FLOAT AS b FROM range(100) t(i))
     TO '${shop.home}/in.parquet' (FORMAT parquet)`,
  );
  writeFileSync(join(shop.home, 'linear.onnx'), linearModel([1, 2]));
});
afterAll(() => shop.remove());

const init = (bench: Bench, ...args: string[]) =>
  bench.cli(['init', '--json', '--model', '../linear.onnx', '--input', '../in.parquet', ...args]);

async function checked(bench: Bench, file: string): Promise<CheckResult> {
  const done = await bench.cli(['check', file, '--json']);
  expect(done.stderr).toBe('');
  return done.events.at(-1) as unknown as CheckResult;
}

test.concurrent('what init writes is what check and run take without a change', async () => {
  const bench = shop.bench('story');
  const written = await init(bench);
  expect({ code: written.code, stderr: written.stderr }).toEqual({ code: 0, stderr: '' });
  expect(written.events).toMatchObject([{ key: 'customer_id', features: ['a', 'b'], unbound: null }]);
  expect(readdirSync(bench.folder)).toEqual(['job.yaml']);
  const text = readFileSync(join(bench.folder, 'job.yaml'), 'utf8');
  expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
  expect(await checked(bench, 'job.yaml')).toMatchObject({ ready: true, problems: [] });
  const run = await bench.cli(['run', 'job.yaml', '--json']);
  expect(run.code, run.stdout).toBe(0);
  const [row] = await sql(
    `SELECT count(*)::INT AS n, sum(y) AS s FROM read_parquet('${bench.folder}/scores/part-*.parquet')`,
  );
  expect(row).toEqual({ n: 100, s: 21 * 4950 });
});

test.concurrent('every line that is a comment says a key that there is, with its default', async () => {
  const bench = shop.bench('comments');
  await init(bench, 'job.yaml');
  const file = join(bench.folder, 'job.yaml');
  const text = readFileSync(file, 'utf8');
  const uncommented = text.replace(/^# config:$/m, 'config:').replace(/^( {2})# (\w+: [^ ]+)$/gm, '$1$2');
  expect(uncommented).toContain('\n  batch_size: 1000\n');
  writeFileSync(file, uncommented);
  expect(await checked(bench, 'job.yaml')).toMatchObject({ ready: true, problems: [] });
});

test.concurrent('a file that is there stays as it is', async () => {
  const bench = shop.bench('exists');
  writeFileSync(join(bench.folder, 'job.yaml'), 'mine');
  expectRefused(await init(bench), { exit: 2, code: 'FILE_EXISTS', names: ['job.yaml'] });
  expect(readFileSync(join(bench.folder, 'job.yaml'), 'utf8')).toBe('mine');
});

test.concurrent('more columns than the model takes: a TODO that check explains, and nothing guessed', async () => {
  const bench = shop.bench('todo');
  await sql(
    `COPY (SELECT 'k' || i AS name, i::FLOAT AS a, i::FLOAT AS b, i::FLOAT AS "on", 1.5 AS "we: ird" FROM range(9) t(i))
     TO '${bench.folder}/in.parquet' (FORMAT parquet)`,
  );
  const done = await bench.cli([
    'init',
    'j.yaml',
    '--json',
    '--model',
    '../linear.onnx',
    '--input',
    'in.parquet',
  ]);
  expect(done.events).toMatchObject([{ key: 'name', features: null, unbound: { code: 'MODEL_BINDING' } }]);
  const text = readFileSync(join(bench.folder, 'j.yaml'), 'utf8');
  expect(text).toContain('# TODO');
  const found = await checked(bench, 'j.yaml');
  expect(found.problems.map(({ code }) => code)).toEqual(['MODEL_BINDING']);
  expect(found.problems[0]?.details?.join('\n')).toContain('we: ird');
  // The TODO and what to pass through, done as the comments say.
  writeFileSync(
    join(bench.folder, 'j.yaml'),
    text
      .replace('# features: [column, column]', 'features: [a, b]')
      .replace(/^( {2})# (include:|\s+- )/gm, '$1$2'),
  );
  const repaired = await checked(bench, 'j.yaml');
  expect(repaired.problems).toEqual([]);
  expect(repaired.binding?.outputs.map(({ column }) => column)).toEqual([
    'name',
    'a',
    'b',
    'on',
    'we: ird',
    'y',
  ]);
});

test.concurrent('CSV in another folder, a model with inputs by name: paths are those of the file', async () => {
  const bench = shop.bench('csv');
  mkdirSync(join(bench.folder, 'jobs'));
  writeFileSync(join(bench.folder, 'm.onnx'), twoInputModel());
  writeFileSync(join(bench.folder, 'in.csv'), 'id;a;b;rest\n1;0,5;1;x\n2;1,5;1;y\n');
  const flags = ['--model', 'm.onnx', '--input', 'in.csv', '--delimiter', ';', '--decimal', ','];
  const done = await bench.cli(['init', 'jobs/j.yaml', '--json', ...flags]);
  expect({ code: done.code, out: done.stdout }).toMatchObject({ code: 0 });
  const text = readFileSync(join(bench.folder, 'jobs/j.yaml'), 'utf8');
  expect(text).toContain('\n  path: ../in.csv\n');
  expect(text).toContain('\n  source: csv\n');
  expect((await checked(bench, 'jobs/j.yaml')).input).toMatchObject({ rows: 2 });
});

test.concurrent('without arguments: what is needed, and how it is said', async () => {
  const done = await shop.bench('bare').cli(['init']);
  expect({ code: done.code, stdout: done.stdout }).toEqual({ code: 2, stdout: '' });
  expect(done.stderr).toMatch(/--model and --input.*\n.*batchwright init --model m\.onnx --input/);
});
