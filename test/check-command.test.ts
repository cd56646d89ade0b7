import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { CheckResult } from '../src/cli/check/check-result.ts';
import { crashingModel, hangingModel, linearModel, refusingModel } from './onnx-builder.ts';
import { type CliResult, runCli } from './support/cli.ts';
import { sql } from './support/parquet.ts';
import { type Bench, errorOf, expectCompleted, workshop } from './support/workshop.ts';

vi.setConfig({ maxConcurrency: 2, testTimeout: 180_000 });

const ROWS = 3_000;
const POISON = 20;
const shop = workshop('check', {});

beforeAll(async () => {
  await sql(
    `COPY (SELECT i AS id, i::FLOAT AS a, (10 * i)::FLOAT AS b, i AS x FROM range(${ROWS}) t(i))
     TO '${shop.home}/in.parquet' (FORMAT parquet)`,
  );
  writeFileSync(join(shop.home, 'linear.onnx'), linearModel([1, 2]));
});
afterAll(() => shop.remove());

const READY = ['--model', '../linear.onnx', '--input', '../in.parquet', '--key', 'id', '--features', 'a,b'];

interface Checked {
  readonly result: CheckResult;
  readonly exit: number | null;
  readonly codes: readonly string[];
}

/** Checks, and looks that nothing but the answer has come of it. */
async function check(bench: Bench, ...flags: string[]): Promise<Checked> {
  const before = treeOf(bench.folder);
  const temporary = join(shop.home, `tmp-${bench.folder.split('/').at(-1)}`);
  mkdirSync(temporary, { recursive: true });
  const done = await runCli(
    ['check', '--json', '--output', 'out', '--state', 'state', ...flags],
    bench.folder,
    // Node's own cache of compiled code is for all processes.
    { TMPDIR: temporary, NODE_COMPILE_CACHE: join(tmpdir(), 'node-compile-cache') },
  );
  expect(treeOf(bench.folder)).toEqual(before);
  expect(readdirSync(temporary)).toEqual([]);
  expect(processesIn(temporary)).toEqual([]);
  return answerOf(done);
}

function answerOf(done: CliResult): Checked {
  expect(done.stderr).toBe('');
  const result = done.events.at(-1) as unknown as CheckResult;
  expect(result.problems, done.stdout).toBeInstanceOf(Array);
  return { result, exit: done.code, codes: result.problems.map(({ code }) => code) };
}

/** Names, sizes, times and digests of all files, and times of folders, below a folder. */
function treeOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => {
      const stat = statSync(join(folder, name), { bigint: true });
      const digest = stat.isFile()
        ? createHash('sha256')
            .update(readFileSync(join(folder, name)))
            .digest('hex')
        : '';
      return `${name} ${stat.mtimeNs} ${digest}`;
    })
    .sort();
}

/** Processes whose folder for temporary files is this one: those of a check that is over. */
function processesIn(temporary: string): string[] {
  if (!existsSync('/proc/self/environ')) return [];
  return readdirSync('/proc').filter((name) => {
    try {
      return (
        /^\d+$/.test(name) && readFileSync(`/proc/${name}/environ`, 'utf8').includes(`TMPDIR=${temporary}`)
      );
    } catch {
      return false;
    }
  });
}

test.concurrent('a job that is ready: binding, sample, estimate, and not a trace of having looked', async () => {
  const { result, exit } = await check(shop.bench('ready'), ...READY, '--sample', '100', '--include', 'x');
  expect(exit, JSON.stringify(result.problems)).toBe(0);
  expect(result).toMatchObject({
    ready: true,
    problems: [],
    model: { registered: null },
    input: { files: 1, rows: ROWS, rows_exact: true },
    sample: { counts: { read: 100, scored: 100, rejected: 0, filtered: 0 }, places: 10 },
    output: { usable: true },
    resumes: null,
  });
  expect(result.binding?.inputs[0]?.columns.map(({ column }) => column)).toEqual(['a', 'b']);
  expect(result.binding?.outputs.map(({ column }) => column)).toEqual(['id', 'x', 'y']);
  expect(result.sample?.key).toMatchObject({ column: 'id', distinct: 100, twice: null });
  // From the first rows and the last tenth: y = a + 2 b.
  const range = result.sample?.predictions[0]?.range;
  expect(range?.least).toBe(0);
  expect(range?.most).toBeGreaterThan(21 * ROWS * 0.89);
  expect(result.estimate?.rows_per_second_per_worker).toBeGreaterThan(0);
  expect(result.estimate?.duration_most_ms).toBeGreaterThan(result.estimate?.duration_ms ?? 0);
});

test.concurrent('several things wrong at once: all are said, and the exit code is that of the first', async () => {
  const bench = shop.bench('several');
  mkdirSync(bench.out);
  writeFileSync(join(bench.out, 'precious.txt'), 'mine');
  const { codes, exit, result } = await check(
    bench,
    ...READY.slice(0, 4),
    ...['--key', 'idd', '--features', 'a,c', '--where', 'random() > a', '--mode', 'overwrite'],
  );
  expect(codes).toEqual(['COLUMN_MISSING', 'COLUMN_MISSING', 'WHERE_NOT_ALLOWED', 'DESTINATION_FOREIGN']);
  expect(exit).toBe(2);
  expect(result).toMatchObject({ ready: false, sample: null, output: { usable: false } });
  expect(readFileSync(join(bench.out, 'precious.txt'), 'utf8')).toBe('mine');
});

test.concurrent('every file with other columns is named, not only the first', async () => {
  const bench = shop.bench('schemas');
  for (const [name, columns] of Object.entries({
    a: '1 AS id, 1::FLOAT AS a',
    b: '1 AS id, 1::DOUBLE AS a',
    c: '1 AS id, 1::FLOAT AS a',
    d: '1 AS id',
    e: "1 AS id, 1::FLOAT AS a, 'x' AS more",
  })) {
    await sql(`COPY (SELECT ${columns}) TO '${bench.folder}/${name}.parquet' (FORMAT parquet)`);
  }
  const { codes, result } = await check(bench, '--model', '../linear.onnx', '--input', '*.parquet');
  expect(codes).toEqual(['SCHEMA_MISMATCH', 'SCHEMA_MISMATCH', 'SCHEMA_MISMATCH']);
  const places = result.problems.map(({ place }) => place.file?.split('/').at(-1));
  expect(places).toEqual(['b.parquet', 'd.parquet', 'e.parquet']);
  // `run` says how many there are.
  const run = await bench.run({ model: '../linear.onnx', input: '*.parquet' });
  expect(errorOf(run).message).toContain('2 more files do not fit either');
});

test.concurrent('no model and no input: both are said', async () => {
  const { codes, result } = await check(shop.bench('nothing'), '--model', 'no.onnx', '--input', 'no.parquet');
  expect(codes).toEqual(['MODEL_NOT_FOUND', 'SOURCE_NOT_FOUND']);
  expect(result).toMatchObject({ model: null, input: null, binding: null, estimate: null });
});

describe('a model that does harm costs the sample a record, and the command nothing', () => {
  test.concurrent.each([
    ['refuses', refusingModel(POISON), 'MODEL_REFUSED'],
    ['kills its process', crashingModel(POISON), 'MODEL_CRASHED'],
    ['hangs', hangingModel(POISON), 'RECORD_TIMEOUT'],
  ])('that %s', async (name, model, code) => {
    const bench = shop.bench(`poison-${code}`);
    writeFileSync(join(bench.folder, 'm.onnx'), model);
    const flags = ['--model', 'm.onnx', '--input', '../in.parquet', '--key', 'id', '--features', 'x'];
    const { codes, exit, result } = await check(
      bench,
      ...flags,
      '--batch-timeout-seconds',
      '1',
      '--sample',
      '400',
    );
    expect(codes, name).toEqual(['ERROR_BUDGET_EXCEEDED']);
    expect(exit).toBe(1);
    expect(result.sample?.counts).toMatchObject({ read: 400, scored: 399, rejected: 1 });
    expect(result.sample?.rejects.groups).toMatchObject([
      { code, rows: 1, causes: [{ samples: [String(POISON)] }] },
    ]);
  });
});

test.concurrent('nulls and a key that stands twice: counted in the sample, with what the budget says to it', async () => {
  const bench = shop.bench('rejects');
  await sql(
    `COPY (SELECT i // 2 AS id, if(i % 10 = 0, NULL, i::FLOAT) AS a, i::FLOAT AS b FROM range(500) t(i))
     TO '${bench.folder}/in.parquet' (FORMAT parquet)`,
  );
  const flags = ['--model', '../linear.onnx', '--input', 'in.parquet', '--key', 'id', '--features', 'a,b'];
  const strict = await check(bench, ...flags, '--unique-key');
  expect(strict.codes).toEqual(['ERROR_BUDGET_EXCEEDED', 'DUPLICATE_KEY']);
  expect(strict.result.problems[0]?.message).toContain('50 of 500 sampled rows');
  const allowed = await check(bench, ...flags, '--error-budget', '10%');
  expect(allowed).toMatchObject({ exit: 0, codes: [] });
  expect(allowed.result.warnings.join()).toContain('does not tell rows of the result apart');
});

test.concurrent('CSV: malformed lines are counted, where they stand is said', async () => {
  const bench = shop.bench('csv');
  const lines = Array.from({ length: 200 }, (_, i) => (i === 100 ? `${i},oops` : `${i},${i}.5,${i}`));
  writeFileSync(join(bench.folder, 'in.csv'), `id,a,b\n${lines.join('\n')}\n`);
  const { codes, result } = await check(
    bench,
    ...['--model', '../linear.onnx', '--input', 'in.csv', '--key', 'id', '--features', 'a,b'],
  );
  expect(codes).toEqual(['ERROR_BUDGET_EXCEEDED']);
  expect(result.input).toMatchObject({ rows: 200, rows_exact: true, malformed_lines: 1 });
  expect(result.sample?.rejects.groups[0]?.causes[0]?.message).toContain('102');
  // Those that the sample does not meet count as well.
  const few = await check(
    bench,
    ...[
      '--model',
      '../linear.onnx',
      '--input',
      'in.csv',
      '--key',
      'id',
      '--features',
      'a,b',
      '--sample',
      '1',
    ],
  );
  expect(few.result.sample?.counts.rejected).toBe(0);
  expect(few.codes).toEqual(['ERROR_BUDGET_EXCEEDED']);
});

test.concurrent('CSV too large to be read for a look: rows are reckoned, and said to be; --full counts', async () => {
  const bench = shop.bench('large');
  const file = join(bench.folder, 'in.csv');
  await sql(
    `COPY (SELECT i AS id, i::DOUBLE AS a, i::DOUBLE AS b, 'text with "quotes",\n' || repeat('x', 200) AS t FROM range(300_000) q(i))
     TO '${file}' (FORMAT csv)`,
  );
  expect(statSync(file).size).toBeGreaterThan(64 * 2 ** 20);
  const flags = ['--model', '../linear.onnx', '--input', 'in.csv', '--key', 'id', '--features', 'a,b'];
  const quick = await check(bench, ...flags, '--sample', '50');
  expect(quick.codes).toEqual([]);
  expect(quick.result.input?.rows_exact).toBe(false);
  expect(Math.abs((quick.result.input?.rows ?? 0) / 300_000 - 1)).toBeLessThan(0.05);
  const full = await check(bench, ...flags, '--sample', '50', '--full');
  expect(full.result.input).toMatchObject({ rows: 300_000, rows_exact: true });
});

test.concurrent('models of the registry and jobs at work: looked at in a copy of the ledger', async () => {
  const bench = shop.bench('registry');
  const added = await bench.cli([
    'model',
    'add',
    'lin',
    '../linear.onnx',
    '--features',
    'a,b',
    '--key',
    'id',
    '--alias',
    'champion',
    '--state',
    'state',
  ]);
  expect(added.code, added.stderr).toBe(0);
  const flags = ['--model', 'lin@champion', '--input', '../in.parquet'];
  const { result, exit } = await check(bench, ...flags);
  expect({ exit, model: result.model }).toMatchObject({
    exit: 0,
    model: { registered: { name: 'lin', version: 1, alias: 'champion' } },
  });
  expect(result.sample?.key?.column).toBe('id');
  expectCompleted(await bench.run({ model: 'lin@champion', input: '../in.parquet' }));
  const again = await check(bench, ...flags);
  expect(again.codes).toEqual(['DESTINATION_EXISTS']);
  expect((await check(bench, ...flags, '--mode', 'overwrite')).codes).toEqual([]);
  const misspelt = await check(bench, '--model', 'lim', '--input', '../in.parquet', '--mode', 'overwrite');
  expect(misspelt.codes).toEqual(['MODEL_NOT_FOUND']);
});

test.concurrent('appending to a result with other columns', async () => {
  const bench = shop.bench('append');
  expectCompleted(
    await bench.run({
      ...{ model: '../linear.onnx', input: '../in.parquet', key: 'id', features: 'a,b' },
      ...{ mode: 'append', include: 'x' },
    }),
  );
  const { codes, result } = await check(bench, ...READY, '--mode', 'append', '--sample', '10');
  expect(codes).toEqual(['SCHEMA_MISMATCH']);
  expect(result.output.usable).toBe(false);
});

test.concurrent('rows that are made by SQL, and no key that would tell them apart', async () => {
  const { codes } = await check(
    shop.bench('keyless'),
    ...['--model', '../linear.onnx', '--input', '../in.parquet', '--features', 'a,b', '--sample', '10'],
    ...['--transform', 'SELECT * FROM input'],
  );
  expect(codes).toEqual(['SPEC_INVALID']);
});

test.concurrent('a destination that is a file', async () => {
  const bench = shop.bench('file');
  writeFileSync(bench.out, 'mine');
  expect((await check(bench, ...READY)).codes).toEqual(['DESTINATION_UNWRITABLE']);
});

describe('a destination that a later run would read as its input', () => {
  test.concurrent('of the rows', async () => {
    const bench = shop.bench('overlap');
    mkdirSync(join(bench.folder, 'in'));
    copyFileSync(join(shop.home, 'in.parquet'), join(bench.folder, 'in', 'a.parquet'));
    const flags = ['--model', '../linear.onnx', '--input', 'in/', '--output', 'in/scores', '--key', 'id'];
    const { codes, result } = await check(bench, ...flags, '--features', 'a,b');
    expect(codes).toEqual(['DESTINATION_IN_INPUT']);
    expect(result.output.usable).toBe(false);
  });

  test.concurrent('of a side input', async () => {
    const bench = shop.bench('overlap-side');
    mkdirSync(join(bench.folder, 'rates'));
    await sql(
      `COPY (SELECT i AS id, 1::FLOAT AS rate FROM range(${ROWS}) t(i)) TO '${bench.folder}/rates/r.parquet' (FORMAT parquet)`,
    );
    const job = {
      model_id: '../linear.onnx',
      input: {
        source: 'parquet',
        path: '../in.parquet',
        key: 'id',
        features: ['a', 'rate'],
        side_inputs: { rates: { source: 'parquet', path: 'rates/', join: { on: { id: 'id' } } } },
      },
      output: { destination: 'parquet', path: 'rates/scores' },
    };
    writeFileSync(join(bench.folder, 'job.json'), JSON.stringify(job));
    const before = treeOf(bench.folder);
    const done = await bench.cli(['check', 'job.json', '--json', '--state', 'state', '--sample', '10']);
    expect(treeOf(bench.folder)).toEqual(before);
    const { codes, result } = answerOf(done);
    expect(codes).toEqual(['DESTINATION_IN_INPUT']);
    expect(result.output.usable).toBe(false);
  });
});

test.concurrent('for people: at most 80 columns, with the next step at the end', async () => {
  const bench = shop.bench('people');
  const done = await bench.cli(['check', ...READY, '--output', 'out']);
  const lines = done.stdout.trimEnd().split('\n');
  expect({ code: done.code, stderr: done.stderr }).toEqual({ code: 0, stderr: '' });
  // A command line is not folded: it is there to be copied.
  const [last = '', ...others] = lines.toReversed();
  expect(last).toBe(`  batchwright run ${READY.join(' ')} --output out`);
  expect(others.filter((line) => line.length > 80 && !line.includes(tmpdir()))).toEqual([]);
});
