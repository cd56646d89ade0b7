import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { Statement } from '../src/lineage/statement.ts';
import { identityModel } from './onnx-builder.ts';
import { sql } from './support/parquet.ts';
import {
  type Bench,
  besideOf,
  expectCompleted,
  expectRefused,
  type Flags,
  workshop,
} from './support/workshop.ts';

vi.setConfig({ maxConcurrency: 3, testTimeout: 180_000 });

const shop = workshop('retry', { model: '../identity.onnx', key: 'id', features: 'x' });
beforeAll(() => writeFileSync(join(shop.home, 'identity.onnx'), identityModel()));
afterAll(() => shop.remove());

const ROWS = 3_000;
const isNull = (row: number) => row % 75 === 10;
const isMalformed = (row: number) => row % 600 === 123;
const clean = (row: number) => `${row},${row / 4},name ${row}`;
const csv = (line: (row: number) => string) =>
  `id,x,name\n${Array.from({ length: ROWS }, (_, row) => line(row)).join('\n')}\n`;
const CLEAN = csv(clean);
const DIRTY = csv((row) =>
  isMalformed(row) ? `${row},oops` : isNull(row) ? `${row},,name ${row}` : clean(row),
);

const jobId = (result: { events: Record<string, unknown>[] }) =>
  (result.events.at(-1) as { job: { job_id: string } }).job.job_id;

/** The export as a person would correct it: each record from its key, or from its line. */
async function repair(bench: Bench, of: string, keep: (row: number) => boolean = () => true): Promise<void> {
  await bench.cli(['rejects', of, '--to', 'repair.parquet', '--state', 'state', '--json']);
  const rows = await sql(
    `SELECT id, source_file, source_line FROM '${join(bench.folder, 'repair.parquet')}'`,
  );
  const lines = rows.flatMap(({ id, source_file: file, source_line: line }) => {
    const row = id === null ? Number(line) - 2 : Number(id);
    return keep(row) ? [`${clean(row)},${file ?? ''},${line ?? ''}`] : [];
  });
  writeFileSync(join(bench.folder, 'repair.csv'), `id,x,name,source_file,source_line\n${lines.join('\n')}\n`);
}

/** The export of an editor's hand: what was wrong is put right, all else stays as it was exported. */
async function correct(file: string): Promise<void> {
  const read = file.endsWith('.csv') ? `read_csv('${file}', all_varchar = true)` : `'${file}'`;
  const rows = await sql(`SELECT count(*) AS rows FROM ${read}`);
  expect(rows).toEqual([{ rows: '45' }]);
  const place = await sql(`SELECT column_name AS name FROM (DESCRIBE SELECT * FROM ${read})`);
  const row = place.some(({ name }) => name === 'source_line')
    ? 'coalesce(id::BIGINT, source_line::BIGINT - 2)'
    : 'source_row::BIGINT';
  const format = file.endsWith('.csv') ? 'csv' : file.endsWith('.jsonl') ? 'json' : 'parquet';
  await sql(
    `COPY (SELECT * REPLACE (${row} AS id, (${row}) / 4 AS x, 'name ' || ${row} AS name) FROM ${read}) TO '${file}.new' (FORMAT ${format})`,
  );
  renameSync(`${file}.new`, file);
}

const rejectsIn = (out: string) =>
  sql(
    `SELECT * EXCLUDE (attempt) FROM read_parquet('${out}/_rejects/*.parquet', filename = false) ORDER BY ALL`,
  );

const retry = (bench: Bench, args: readonly string[]) =>
  bench.cli(['retry', ...args, '--state', 'state', '--json']);

const published = (out: string) => sql(`SELECT id, name, y FROM '${out}/*.parquet' ORDER BY ALL`);

function statementIn(out: string): Statement {
  const { payload } = JSON.parse(readFileSync(join(out, '_manifest.json'), 'utf8')) as { payload: string };
  return JSON.parse(Buffer.from(payload, 'base64').toString()) as Statement;
}

async function dirtyJob(name: string, flags: Flags = {}): Promise<Bench & { first: string }> {
  const bench = shop.bench(name);
  writeFileSync(join(bench.folder, 'in.csv'), DIRTY);
  const result = await bench.run({ input: 'in.csv', include: 'name', 'error-budget': '45', ...flags });
  expect(expectCompleted(result).counts).toEqual({ read: 3_000, scored: 2_955, rejected: 45, filtered: 0 });
  return { ...bench, first: jobId(result) };
}

describe('rejected records that were repaired', () => {
  test.concurrent('make one result with what was scored before: the multiset of a run on clean data', async () => {
    const bench = await dirtyJob('repaired');
    await repair(bench, bench.first);
    const result = await retry(bench, ['latest', '--mode', 'partial', '--repaired', 'repair.csv']);
    const job = expectCompleted(result);
    expect(job.counts).toEqual({ read: 45, scored: 45, rejected: 0, filtered: 0 });
    expect(job.retry).toMatchObject({ of: bench.first, whole: { read: 3_000, scored: 3_000, rejected: 0 } });

    const other = shop.bench('clean');
    writeFileSync(join(other.folder, 'in.csv'), CLEAN);
    expectCompleted(await other.run({ input: 'in.csv', include: 'name' }));
    expect(await published(bench.out)).toEqual(await published(other.out));

    const { predicate } = statementIn(bench.out);
    expect(predicate.counts).toEqual({ read: 3_000, scored: 3_000, rejected: 0, filtered: 0 });
    expect(predicate.retry).toMatchObject({
      of: bench.first,
      mode: 'partial',
      replaces: bench.first,
      repaired: [{ path: join(bench.folder, 'repair.csv') }],
      inputs: [{ jobId: bench.first, rows: 3_000 }],
      counts: { taken: { read: 2_955 }, own: { read: 45 } },
    });
    expect(new Set(predicate.files.map((file) => file.job))).toEqual(new Set([bench.first, job.job_id]));
    expect((await bench.cli(['verify', 'out', '--json'])).code).toBe(0);
    expect(besideOf(bench.out).every((name) => name.endsWith(`old-${job.job_id}`))).toBe(true);
  });

  test.concurrent.each([
    { kind: 'csv', key: 'id' },
    { kind: 'jsonl', key: 'id' },
    { kind: 'csv', key: null },
    { kind: 'parquet', key: null },
  ])('the $kind export itself, corrected in place; key $key', async ({ kind, key }) => {
    const bench = await dirtyJob(`export-${kind}-${key}`, { key });
    const file = join(bench.folder, `repair.${kind}`);
    expect((await bench.cli(['rejects', '--to', file, '--state', 'state', '--json'])).code).toBe(0);
    await correct(file);
    const job = expectCompleted(await retry(bench, ['latest', '--repaired', file]));
    expect(job.counts).toEqual({ read: 45, scored: 45, rejected: 0, filtered: 0 });
    const rows = await sql(`SELECT name, y FROM '${bench.out}/*.parquet' ORDER BY y`);
    expect(rows).toEqual(Array.from({ length: ROWS }, (_, row) => ({ name: `name ${row}`, y: row / 4 })));
    if (key === null) {
      // Each record keeps the place that it has in the input of the first job.
      const [places] = await sql(
        `SELECT count(DISTINCT source_row) AS rows, min(source_row) AS first, max(source_row) AS last,
                bool_and(source_file = '${join(bench.folder, 'in.csv').slice(1)}' AND y * 4 = source_row) AS right
           FROM '${bench.out}/*.parquet'`,
      );
      expect(places).toEqual({ rows: '3000', first: '0', last: '2999', right: true });
    }
    expect((await bench.cli(['verify', 'out', '--json'])).code).toBe(0);
  });

  test.concurrent('some of them: the others stay rejected, and a retry of the retry repairs these', async () => {
    const bench = await dirtyJob('some');
    await repair(bench, bench.first, (row) => row < 1_500);
    const second = expectCompleted(await retry(bench, ['latest', '--repaired', 'repair.csv']));
    expect(second.retry?.whole).toEqual({ read: 3_000, scored: 2_978, rejected: 22, filtered: 0 });
    const [left] = await sql(`SELECT count(*) AS rows FROM '${bench.out}/_rejects/*.parquet'`);
    expect(left).toEqual({ rows: '22' });
    rmSync(join(bench.folder, 'repair.parquet'));
    await repair(bench, second.job_id);
    const third = expectCompleted(await retry(bench, ['latest', '--repaired', 'repair.csv']));
    expect(third.counts).toEqual({ read: 22, scored: 22, rejected: 0, filtered: 0 });
    expect(third.retry).toMatchObject({ of: second.job_id, whole: { read: 3_000, scored: 3_000 } });
    const rows = await published(bench.out);
    expect(rows).toEqual(
      Array.from({ length: ROWS }, (_, row) => ({ id: String(row), name: `name ${row}`, y: row / 4 })),
    );
    const { predicate } = statementIn(bench.out);
    expect(predicate.retry?.inputs.map((input) => input.jobId)).toEqual([bench.first, second.job_id]);
    expect(new Set(predicate.files.map((each) => each.job))).toEqual(
      new Set([bench.first, second.job_id, third.job_id]),
    );
    expect((await bench.cli(['verify', 'out', '--json'])).code).toBe(0);
    expectRefused(await retry(bench, ['latest']), {
      exit: 2,
      code: 'RETRY_NOTHING',
      names: ['--mode complete'],
    });
  });

  test.concurrent.each(['csv', 'jsonl'])(
    'a result of %s files is one of such files again',
    async (destination) => {
      const bench = await dirtyJob(`to-${destination}`, { destination });
      await repair(bench, bench.first);
      expectCompleted(await retry(bench, ['latest', '--repaired', 'repair.csv']));
      const read = destination === 'csv' ? 'read_csv' : 'read_json';
      expect(
        await sql(`SELECT id, name, y FROM ${read}('${bench.out}/part-*.${destination}') ORDER BY id`),
      ).toEqual(
        Array.from({ length: ROWS }, (_, row) => ({ id: String(row), name: `name ${row}`, y: row / 4 })),
      );
      expect((await bench.cli(['verify', 'out', '--json'])).code).toBe(0);
    },
  );
});

describe('without repaired records', () => {
  test.concurrent.each([{ key: 'id' }, { key: null }])(
    'rejects are scored again as they are, malformed lines stay; key $key',
    async ({ key }) => {
      const bench = await dirtyJob(`as-they-are-${key}`, { key });
      const before = await rejectsIn(bench.out);
      const job = expectCompleted(await retry(bench, ['latest']));
      expect(job.counts).toEqual({ read: 40, scored: 0, rejected: 40, filtered: 0 });
      expect(job.retry).toMatchObject({ whole: { read: 3_000, scored: 2_955, rejected: 45 } });
      expect(await rejectsIn(bench.out)).toEqual(before);
      expect((await bench.cli(['verify', 'out', '--json'])).code).toBe(0);
    },
  );

  test.concurrent('complete: everything again, from the input as it is now, in place of the old result', async () => {
    const bench = await dirtyJob('complete');
    writeFileSync(join(bench.folder, 'in.csv'), CLEAN);
    expectRefused(await retry(bench, ['latest']), { exit: 6, code: 'SOURCE_CHANGED', names: ['in.csv'] });
    const job = expectCompleted(await retry(bench, ['latest', '--mode', 'complete']));
    expect(job.counts).toEqual({ read: 3_000, scored: 3_000, rejected: 0, filtered: 0 });
    expect(await published(bench.out)).toHaveLength(ROWS);
    expect(statementIn(bench.out).predicate.retry).toMatchObject({ of: bench.first, mode: 'complete' });
    expect((await bench.cli(['verify', 'out', '--json'])).code).toBe(0);
    expectRefused(await retry(bench, [bench.first, '--mode', 'complete']), {
      exit: 2,
      code: 'RETRY_SUPERSEDED',
      names: [bench.first, job.job_id],
    });
  });
});
