import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, test, vi } from 'vitest';
import type { JobStatus } from '../src/core/wire.ts';
import type { Statement } from '../src/lineage/statement.ts';
import { buildModel, identityModel, node } from './onnx-builder.ts';
import { sql } from './support/parquet.ts';
import { slowModel } from './support/slow-model.ts';
import {
  type Bench,
  eventOf,
  expectCompleted,
  expectNothingAt,
  expectRefused,
  type Flags,
  workshop,
} from './support/workshop.ts';

vi.setConfig({ maxConcurrency: 3, testTimeout: 240_000 });

const shop = workshop('retry-combinations', {
  model: 'm.onnx',
  input: 'in.csv',
  key: 'id',
  features: 'x',
  'error-budget': '100%',
});
afterAll(() => shop.remove());

/** Rows 0 to 4 with x = id, but for 1 and 3, which have none. */
const TABLE = 'id,x\n0,0\n1,\n2,2\n3,\n4,4\n';
/** y = -x. */
const NEGATION = buildModel({
  inputs: [{ name: 'x', type: 'float32', shape: ['N'] }],
  outputs: [{ name: 'y', type: 'float32', shape: ['N'] }],
  nodes: [node('Neg', ['x'], ['y'])],
});

type Desk = Bench & { write(files: Readonly<Record<string, string | Uint8Array>>): void };

function desk(
  name: string,
  files: Readonly<Record<string, string | Uint8Array>> = { 'in.csv': TABLE },
): Desk {
  const bench = shop.bench(name);
  const write: Desk['write'] = (more) => {
    for (const [file, content] of Object.entries(more)) {
      mkdirSync(dirname(join(bench.folder, file)), { recursive: true });
      writeFileSync(join(bench.folder, file), content);
    }
  };
  write({ 'm.onnx': identityModel(), ...files });
  return { ...bench, write };
}

const run = async (bench: Bench, flags: Flags = {}): Promise<JobStatus> =>
  expectCompleted(await bench.run(flags));
const withState = (bench: Bench, args: readonly string[]) =>
  bench.cli([...args, '--state', 'state', '--json']);
const retry = (bench: Bench, args: readonly string[]) => withState(bench, ['retry', 'latest', ...args]);
const repaired = (...files: string[]) => files.flatMap((file) => ['--repaired', file]);
const published = (bench: Bench) => sql(`SELECT * FROM '${bench.out}/part-*.parquet' ORDER BY ALL`);
const numbers = (...pairs: [number, number][]) => pairs.map(([id, y]) => ({ id: String(id), y }));

async function expectVerified(bench: Bench): Promise<Statement['predicate']> {
  expect((await bench.cli(['verify', 'out', '--json'])).code).toBe(0);
  const { payload } = JSON.parse(readFileSync(join(bench.out, '_manifest.json'), 'utf8'));
  return (JSON.parse(Buffer.from(payload, 'base64').toString()) as Statement).predicate;
}

test.concurrent('several repaired files make one result, and a record that stands in two of them is refused', async () => {
  const bench = desk('several');
  await run(bench);
  bench.write({ 'a.csv': 'id,x\n1,1\n', 'b.jsonl': '{"x":3,"id":3}\n', 'c.csv': 'x,id\n3,3\n9,1\n' });
  expectRefused(await retry(bench, repaired('a.csv', 'c.csv')), {
    exit: 2,
    code: 'RETRY_KEY_DUPLICATE',
    names: ['id = 1', 'a.csv'],
  });
  expect(await published(bench)).toEqual(numbers([0, 0], [2, 2], [4, 4]));
  expectCompleted(await retry(bench, repaired('a.csv', 'b.jsonl')));
  expect(await published(bench)).toEqual(numbers([0, 0], [1, 1], [2, 2], [3, 3], [4, 4]));
  expect((await expectVerified(bench)).retry?.repaired.map(({ path }) => path)).toEqual([
    join(bench.folder, 'a.csv'),
    join(bench.folder, 'b.jsonl'),
  ]);
});

test.concurrent('an alias that moved: in part with the version of before, completely with the new one; a removed version is named', async () => {
  const bench = desk('registry', {
    'in.csv': TABLE,
    'n.onnx': NEGATION,
    'a.csv': 'id,x\n1,1\n',
    'c.csv': 'id,x\n3,3\n',
  });
  const add = (file: string) => withState(bench, ['model', 'add', 'churn', file, '--alias', 'champion']);
  expect((await add('m.onnx')).code).toBe(0);
  const first = await run(bench, { model: 'churn@champion' });
  expect((await add('n.onnx')).code).toBe(0);
  expectCompleted(await retry(bench, repaired('a.csv')));
  expect(await published(bench)).toEqual(numbers([0, 0], [1, 1], [2, 2], [4, 4]));
  expect((await expectVerified(bench)).model.registered).toMatchObject({ name: 'churn', version: 1 });
  expect((await withState(bench, ['model', 'rm', 'churn@1'])).code).toBe(0);
  expectRefused(await retry(bench, repaired('c.csv')), {
    exit: 2,
    code: 'MODEL_NOT_FOUND',
    names: ['churn@1', 'was removed', '--mode complete'],
  });
  expect(await published(bench)).toEqual(numbers([0, 0], [1, 1], [2, 2], [4, 4]));
  expectCompleted(await retry(bench, ['--mode', 'complete']));
  expect(await published(bench)).toEqual(numbers([0, 0], [2, -2], [4, -4]));
  const { model, retry: of } = await expectVerified(bench);
  expect(model.registered?.version).toBe(2);
  expect(of?.of).not.toBe(first.job_id);
});

test.concurrent('a prepared input: repaired is what was scored, after the transform; records of before it are refused', async () => {
  const bench = desk('transform', { 'in.csv': 'id,a\n0,0\n1,\n2,4\n3,\nbroken\n' });
  await run(bench, { transform: 'SELECT id, a / 2 AS x FROM input' });
  const place = `${join(bench.folder, 'in.csv').slice(1)},6`;
  bench.write({
    'raw.csv': 'id,a\n1,2\n',
    'good.csv': `id,x,source_file,source_line\n1,0.5,,\n9,4.5,${place}\n`,
  });
  expectRefused(await retry(bench, repaired('raw.csv')), {
    exit: 2,
    code: 'COLUMN_MISSING',
    names: ['raw.csv', 'prepared input', 'x'],
  });
  const { retry: of } = expectCompleted(await retry(bench, repaired('good.csv')));
  expect(of?.whole).toEqual({ read: 5, scored: 4, rejected: 1, filtered: 0 });
  expect(await published(bench)).toEqual(numbers([0, 0], [1, 0.5], [2, 2], [9, 4.5]));
  await expectVerified(bench);
});

test.concurrent.each([{ key: 'id' }, { key: null }])(
  'Hive partitions are columns of a repaired record, and its own folders are none; key $key',
  async ({ key }) => {
    const bench = desk(`hive-${key}`, {
      'd/year=2024/a.csv': 'id,x\n0,0\n1,\n',
      'd/year=2025/a.csv': 'id,x\n2,2\n3,\n4,oops,1\n',
    });
    const include = key === null ? 'id,year' : 'year';
    await run(bench, { input: 'd', source: 'csv', key, include });
    mkdirSync(join(bench.folder, 'fix/year=1999'), { recursive: true });
    const exported = join(bench.folder, 'repair.parquet');
    expect((await withState(bench, ['rejects', '--to', exported])).code).toBe(0);
    const corrected = `SELECT * REPLACE (coalesce(id, 4) AS id, coalesce(id, 4) AS x) FROM '${exported}'`;
    const files = ['csv', 'parquet'].map((kind) => join(bench.folder, `fix/year=1999/f.${kind}`));
    await sql(`COPY (${corrected} WHERE id IS NULL) TO '${files[0]}'`);
    await sql(`COPY (${corrected} WHERE id IS NOT NULL) TO '${files[1]}'`);
    expectCompleted(await retry(bench, repaired(...files)));
    const rows = await sql(`SELECT id, year, y FROM '${bench.out}/part-*.parquet' ORDER BY id`);
    const year = (id: number) => (id < 2 ? '2024' : '2025');
    expect(rows).toEqual([0, 1, 2, 3, 4].map((id) => ({ id: String(id), year: year(id), y: id })));
    await expectVerified(bench);
  },
);

describe('rejects of a result of text', () => {
  const typed =
    'id,x,d,t,s\n0,0,1.5,2024-01-01 00:00:00,a\n1,,2.50,2024-01-02 03:04:05.000006,=1+2\n3,,,,""\n4,oops\n';

  test.concurrent.each([
    { destination: 'csv', to: 'parquet', of: 'latest' },
    { destination: 'csv', to: 'csv', of: 'latest' },
    { destination: 'jsonl', to: 'parquet', of: './out' },
    { destination: 'csv', to: 'parquet', of: './out' },
  ])(
    '$destination of $of keep their types in $to, and are repaired exactly',
    async ({ destination, to, of }) => {
      const bench = desk(`types-${destination}-${to}-${of.replace(/\W/g, '')}`, { 'in.csv': typed });
      // With apostrophes in the published file, what is exported of the job still has the values of the input.
      const formulas: Flags = destination === 'csv' && of === 'latest' ? { 'escape-formulas': true } : {};
      await run(bench, { destination, include: 's,d,t', types: 'd=DECIMAL(5\\,2)', ...formulas });
      const file = join(bench.folder, `repair.${to}`);
      expect((await withState(bench, ['rejects', of, '--to', file])).code).toBe(0);
      if (to === 'parquet') {
        const columns = await sql(
          `SELECT column_name AS n, column_type AS t FROM (DESCRIBE SELECT * FROM '${file}')`,
        );
        expect(Object.fromEntries(columns.map(({ n, t }) => [n, t]))).toEqual({
          reject_code: 'VARCHAR',
          reject_message: 'VARCHAR',
          id: 'BIGINT',
          x: 'BIGINT',
          d: 'DECIMAL(5,2)',
          t: 'TIMESTAMP',
          s: 'VARCHAR',
          source_file: 'VARCHAR',
          source_line: 'BIGINT',
        });
      }
      const read =
        to === 'csv'
          ? `read_csv('${file}', all_varchar = true, nullstr = '', allow_quoted_nulls = false)`
          : `'${file}'`;
      await sql(
        `COPY (SELECT * REPLACE (coalesce(id::BIGINT, 4) AS id, coalesce(id::BIGINT, 4) AS x) FROM ${read}) TO '${file}.${to}' (${to === 'csv' ? "FORCE_QUOTE (s), FORMAT csv, NULLSTR ''" : 'FORMAT parquet'})`,
      );
      expectCompleted(await retry(bench, repaired(`${file}.${to}`)));
      await expectVerified(bench);
      const reader =
        destination === 'csv'
          ? `read_csv('${bench.out}/part-*.csv', nullstr = '', allow_quoted_nulls = false)`
          : `read_json('${bench.out}/part-*.jsonl')`;
      const apostrophe = formulas['escape-formulas'] === true ? "'" : '';
      expect(
        await sql(
          `SELECT id::INTEGER AS id, s, d::DOUBLE AS d, t::TIMESTAMP::VARCHAR AS t, y::DOUBLE AS y FROM ${reader} ORDER BY id`,
        ),
      ).toEqual([
        { id: 0, s: 'a', d: 1.5, t: '2024-01-01 00:00:00', y: 0 },
        { id: 1, s: `${apostrophe}=1+2`, d: 2.5, t: '2024-01-02 03:04:05.000006', y: 1 },
        { id: 3, s: '', d: null, t: null, y: 3 },
        { id: 4, s: null, d: null, t: null, y: 4 },
      ]);
    },
  );
});

test.concurrent('an error budget of its own: what stays rejected is allowed, or refused with the number that it takes', async () => {
  const bench = desk('budget');
  expectRefused(await bench.run({ 'error-budget': '1' }), {
    exit: 1,
    code: 'ERROR_BUDGET_EXCEEDED',
    names: [],
  });
  bench.write({ 'a.csv': 'id,x\n1,\n' });
  expectRefused(await retry(bench, ['--error-budget', 'many']), {
    exit: 2,
    code: 'SPEC_INVALID',
    names: ['error_budget', 'many'],
  });
  expectRefused(await retry(bench, ['--error-budget', '0', ...repaired('a.csv')]), {
    exit: 1,
    code: 'ERROR_BUDGET_EXCEEDED',
    names: ['1 rejects', '--error-budget 1'],
  });
  const job = expectCompleted(await retry(bench, ['--error-budget', '40%', ...repaired('a.csv')]));
  expect(job.retry?.whole).toEqual({ read: 5, scored: 3, rejected: 2, filtered: 0 });
  expect(await published(bench)).toEqual(numbers([0, 0], [2, 2], [4, 4]));
  // A retry of the retry has the budget that it had.
  expectCompleted(await retry(bench, []));
});

test.concurrent('only the first rows, and some filtered: a repair may be filtered as well, and nothing past the limit comes back', async () => {
  const bench = desk('limit', { 'in.csv': 'id,x,g\n0,0,1\n1,,1\n2,2,0\n3,,0\n4,4,1\n5,,1\n6,,1\n' });
  await run(bench, { limit: '6', where: 'g = 1' });
  bench.write({ 'past.csv': 'id,x,g\n6,6,1\n', 'a.csv': 'id,x,g\n1,1,1\n5,5,0\n' });
  expectRefused(await retry(bench, repaired('past.csv')), {
    exit: 2,
    code: 'RETRY_KEY_UNKNOWN',
    names: ['id = 6'],
  });
  const { retry: of } = expectCompleted(await retry(bench, repaired('a.csv')));
  expect(of?.whole).toEqual({ read: 6, scored: 3, rejected: 0, filtered: 3 });
  expect(await published(bench)).toEqual(numbers([0, 0], [1, 1], [4, 4]));
  await expectVerified(bench);
});

describe('what became of the result meanwhile', () => {
  test.concurrent('a file of somebody else is kept: refused by name, until it is moved', async () => {
    const bench = desk('foreign', { 'in.csv': TABLE, 'a.csv': 'id,x\n1,1\n' });
    await run(bench, { mode: 'overwrite' });
    bench.write({ 'out/note.txt': 'mine' });
    expectRefused(await retry(bench, repaired('a.csv')), {
      exit: 2,
      code: 'DESTINATION_FOREIGN',
      names: ['note.txt', 'Move it elsewhere'],
    });
    rmSync(join(bench.out, 'note.txt'));
    expectCompleted(await retry(bench, repaired('a.csv')));
    expect(await published(bench)).toEqual(numbers([0, 0], [1, 1], [2, 2], [4, 4]));
  });

  test.concurrent('a part was written over in place: refused, as nobody knows whose rows these are', async () => {
    const bench = desk('edited', { 'in.csv': TABLE, 'a.csv': 'id,x\n1,1\n' });
    await run(bench);
    const part = readdirSync(bench.out).find((name) => name.startsWith('part-')) as string;
    writeFileSync(join(bench.out, part), 'other bytes');
    expectRefused(await retry(bench, repaired('a.csv')), {
      exit: 2,
      code: 'RETRY_PART_CHANGED',
      names: ['is not the one that was accepted', '--mode complete'],
    });
    expect(readFileSync(join(bench.out, part), 'utf8')).toBe('other bytes');
  });

  test.concurrent('it was removed: the whole of it is published again, with the repair', async () => {
    const bench = desk('removed', { 'in.csv': TABLE, 'a.csv': 'id,x\n1,1\n' });
    await run(bench);
    rmSync(bench.out, { recursive: true });
    expectCompleted(await retry(bench, repaired('a.csv')));
    expect(await published(bench)).toEqual(numbers([0, 0], [1, 1], [2, 2], [4, 4]));
    await expectVerified(bench);
  });
});

test.concurrent('everything was scored, and publishing was refused: a retry publishes it, and scores nothing again', async () => {
  const bench = desk('unpublished', { 'in.csv': 'id,x\n0,0\n1,1\nbroken\n', 'm.onnx': slowModel(1_000_000) });
  const running = bench.start({ types: 'x=BIGINT' });
  await eventOf(running, ({ job }) => job?.status === 'running');
  bench.write({ 'out/note.txt': 'mine' });
  expectRefused(await running.ended, { exit: 2, code: 'DESTINATION_EXISTS', names: ['out'] });
  rmSync(bench.out, { recursive: true });
  const job = expectCompleted(await retry(bench, []));
  expect(job.counts).toEqual({ read: 0, scored: 0, rejected: 0, filtered: 0 });
  expect(job.retry?.whole).toEqual({ read: 3, scored: 2, rejected: 1, filtered: 0 });
  expect(await published(bench)).toEqual(numbers([0, 0], [1, 1]));
  await expectVerified(bench);
});

test.concurrent('a broken line is given the key of another reject: refused, as both would be one record', async () => {
  const bench = desk('shared-key', { 'in.csv': 'id,x\n0,0\n1,\nbroken\n' });
  await run(bench);
  const place = `${join(bench.folder, 'in.csv').slice(1)},4`;
  bench.write({ 'a.csv': `id,x,source_file,source_line\n1,7,${place}\n` });
  expectRefused(await retry(bench, repaired('a.csv')), {
    exit: 2,
    code: 'RETRY_KEY_DUPLICATE',
    names: ['id = 1', 'another rejected record'],
  });
  expect(await published(bench)).toEqual(numbers([0, 0]));
});

test.concurrent('nothing was ever scored of a job that failed: a retry scores all of it', async () => {
  const bench = desk('nothing-scored', { 'in.csv': 'id,x\n0,\n1,\n' });
  expectRefused(await bench.run({ 'error-budget': '0' }), {
    exit: 1,
    code: 'ERROR_BUDGET_EXCEEDED',
    names: [],
  });
  expectNothingAt(bench.out);
  const job = expectCompleted(await retry(bench, ['--error-budget', '100%', '--mode', 'partial']));
  expect(job.retry?.whole).toEqual({ read: 2, scored: 0, rejected: 2, filtered: 0 });
  expect(await published(bench)).toEqual([]);
  await expectVerified(bench);
});
