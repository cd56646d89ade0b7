import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { identityModel } from './onnx-builder.ts';
import { sql } from './support/parquet.ts';
import { eventOf, expectCompleted, expectRefused, workshop } from './support/workshop.ts';

vi.setConfig({ maxConcurrency: 2, testTimeout: 180_000 });

const shop = workshop('text', { model: '../identity.onnx', key: 'id', features: 'x' });
beforeAll(() => writeFileSync(join(shop.home, 'identity.onnx'), identityModel()));
afterAll(() => shop.remove());

function bench(name: string, files: Readonly<Record<string, string | Buffer>>) {
  const made = shop.bench(name);
  for (const [file, content] of Object.entries(files)) {
    mkdirSync(join(made.folder, file, '..'), { recursive: true });
    writeFileSync(join(made.folder, file), content);
  }
  return made;
}

const published = (out: string, columns = '*') =>
  sql(`SELECT ${columns} FROM '${out}/*.parquet' ORDER BY 1, 2`);
const rejected = (out: string, columns: string) =>
  sql(`SELECT ${columns} FROM '${out}/_rejects/*.parquet' ORDER BY 1`);

describe('a partner file with broken lines', () => {
  const LINES = Array.from({ length: 3_000 }, (_, at) => `${at},${at / 4},name ${at}`);
  const BROKEN = `id,x,name\n${LINES.with(1_000, '1000,7').with(2_000, '2000,8,"a"b').join('\n')}\n`;

  test.concurrent('each becomes a reject with its line and text; all other rows are scored', async () => {
    const { run, out } = bench('broken', { 'in.csv': BROKEN });
    const job = expectCompleted(
      await run({ input: 'in.csv', 'error-budget': '2', include: 'name', where: 'x >= 0 AND id < 2900' }),
    );
    expect(job.counts).toEqual({ read: 3_000, scored: 2_898, rejected: 2, filtered: 100 });
    const rows = await published(out, 'id, name, y');
    expect(rows).toHaveLength(2_898);
    expect(rows.slice(999, 1_001)).toEqual([
      { id: '999', name: 'name 999', y: 249.75 },
      { id: '1001', name: 'name 1001', y: 250.25 },
    ]);
    const rejects = await rejected(
      out,
      '_batchwright_line AS line, id, code, message, name, _batchwright_text AS text',
    );
    expect(rejects).toEqual([
      {
        line: '1002',
        id: null,
        code: 'ROW_MALFORMED',
        message: expect.stringMatching(/^Line 1002 of .*in\.csv has 2 fields instead of 3\.$/),
        name: null,
        text: '1000,7',
      },
      {
        line: '2002',
        id: null,
        code: 'ROW_MALFORMED',
        message: expect.stringMatching(/^Line 2002 of .*in\.csv has text after a closing quote\.$/),
        name: null,
        text: '2000,8,"a"b',
      },
    ]);
  });

  test.concurrent('they count against the error budget, and the message names the line', async () => {
    const { run, out } = bench('over-budget', { 'in.csv': BROKEN });
    const error = expectRefused(await run({ input: 'in.csv', 'error-budget': '1' }), {
      exit: 1,
      code: 'ERROR_BUDGET_EXCEEDED',
      names: ['Line 1002 of'],
    });
    expect(error.message).toContain('in.csv');
    expect(existsSync(out)).toBe(false);
  });

  test.concurrent('without a key column, place and row are those of the original file', async () => {
    const { run, out } = bench('keyless', { 'a.csv': 'x,n\n1,a\n', 'b.csv': 'n,x\nb,2\nc\nd,3\n' });
    expectCompleted(await run({ input: '*.csv', key: null, 'error-budget': '1', 'on-null': '0' }));
    expect(
      await published(out, `regexp_extract(source_file, '[^/]*$') AS file, source_row AS "row", y`),
    ).toEqual([
      { file: 'a.csv', row: '0', y: 1 },
      { file: 'b.csv', row: '0', y: 2 },
      { file: 'b.csv', row: '2', y: 3 },
    ]);
    expect(await rejected(out, 'source_row, _batchwright_line AS line, n')).toEqual([
      { source_row: '1', line: '3', n: null },
    ]);
  });
});

describe('many small files, which share Parquet files', () => {
  const FILES = 120;
  /** File n has n % 4 records; some neighbours have one more line, which is broken. */
  const isBroken = (at: number) => at % 40 < 4;
  const BROKEN = Array.from({ length: FILES }, (_, at) => at).filter(isBroken);
  const many = () =>
    Object.fromEntries(
      Array.from({ length: FILES }, (_, at) => [
        `in/${String(at).padStart(3, '0')}.csv`,
        `id,x\n${Array.from({ length: at % 4 }, (_, row) => `${at * 10 + row},${at + row / 4}\n`).join('')}${isBroken(at) ? 'broken\n' : ''}`,
      ]),
    );
  const RECORDS = Array.from({ length: FILES }, (_, at) =>
    Array.from({ length: at % 4 }, (_, row) => ({ at, row, id: String(at * 10 + row), y: at + row / 4 })),
  ).flat();
  const numbered = `CAST(regexp_extract(source_file, '([0-9]+)[.]csv$', 1) AS INTEGER)`;

  test.concurrent('each record, scored or rejected, has the file and row it came from', async () => {
    const { run, out } = bench('small', many());
    const job = expectCompleted(
      await run({ input: 'in', source: 'csv', key: null, include: 'id', 'error-budget': '12' }),
    );
    expect(job.counts).toEqual({
      read: RECORDS.length + 12,
      scored: RECORDS.length,
      rejected: 12,
      filtered: 0,
    });
    expect(await published(out, `${numbered} AS at, source_row::INTEGER AS "row", id, y`)).toEqual(RECORDS);
    const rejects = await rejected(
      out,
      `${numbered} AS at, source_row::INTEGER AS "row", _batchwright_line::INTEGER AS line, message`,
    );
    expect(rejects).toEqual(
      BROKEN.map((at) => ({
        at,
        row: at % 4,
        line: (at % 4) + 2,
        message: expect.stringContaining(`/in/${String(at).padStart(3, '0')}.csv has 1 field`),
      })),
    );
  });

  test.concurrent('prepared by SQL, no record comes twice, and the broken lines stay those of their files', async () => {
    const { run, out, folder } = bench('small-prepared', many());
    writeFileSync(
      join(folder, 'job.yaml'),
      `model_id: ../identity.onnx\ninput: { source: csv, path: in, key: id, features: [x], transform: "SELECT id, x + 1 AS x FROM input" }\noutput: { destination: parquet, path: out }\nconfig: { error_budget: 12 }\n`,
    );
    const flags = { model: null, key: null, features: null, parallelism: null, output: null };
    const job = expectCompleted(await run(flags, { file: 'job.yaml' }));
    expect(job.counts).toEqual({
      read: RECORDS.length + 12,
      scored: RECORDS.length,
      rejected: 12,
      filtered: 0,
    });
    const { payload } = JSON.parse(readFileSync(join(out, '_manifest.json'), 'utf8')) as { payload: string };
    const { predicate } = JSON.parse(Buffer.from(payload, 'base64').toString());
    expect(predicate.snapshot.prepared).toMatchObject({ rowsBefore: RECORDS.length, malformed: 12 });
    expect(await published(out, 'id, y')).toEqual(RECORDS.map(({ id, y }) => ({ id, y: y + 1 })));
    const rejects = await rejected(out, `_batchwright_file AS file, _batchwright_line::INTEGER AS line`);
    expect(rejects).toEqual(
      BROKEN.map((at) => ({
        file: expect.stringMatching(new RegExp(`/in/${String(at).padStart(3, '0')}\\.csv$`)),
        line: (at % 4) + 2,
      })),
    );
  });
});

describe('the input that a job pinned', () => {
  test.concurrent('is named in the manifest by the original files, with their digests', async () => {
    const { run, out } = bench('manifest', { 'in.csv': 'id,x\n1,2\n' });
    expectCompleted(await run({ input: 'in.csv' }));
    const { payload } = JSON.parse(readFileSync(join(out, '_manifest.json'), 'utf8')) as { payload: string };
    const { predicate } = JSON.parse(Buffer.from(payload, 'base64').toString());
    expect(predicate.snapshot.files[0]).toMatchObject({
      key: expect.stringMatching(/\/input\/1\/000000\.parquet$/),
      rows: 1,
      original: {
        path: expect.stringMatching(/in\.csv$/),
        sizeBytes: 9,
        sha256: createHash('sha256').update('id,x\n1,2\n').digest('hex'),
        malformed: 0,
      },
    });
  });

  test.concurrent('a column that one value made text cannot feed a number: the line is named, and what to declare', async () => {
    const { run } = bench('text-column', { 'in.csv': `id,x\n1,2\n2,n/a\n3,4\n` });
    expectRefused(await run({ input: 'in.csv' }), {
      exit: 2,
      code: 'COLUMN_TYPE',
      names: ['"n/a" in line 3 of', 'in.csv', 'input.types: {x: DOUBLE}', 'input.null'],
    });
    const { run: declared, out } = bench('null-text', { 'in.csv': `id,x\n1,2\n2,n/a\n3,4\n` });
    expectCompleted(await declared({ input: 'in.csv', null: 'n/a', 'on-null': '-1' }));
    expect(await published(out, 'id, y')).toEqual([
      { id: '1', y: 2 },
      { id: '2', y: -1 },
      { id: '3', y: 4 },
    ]);
  });
});

describe('files of a folder', () => {
  test.concurrent('partition folders give columns to CSV, compressed or not', async () => {
    const { run, out } = bench('hive', {
      'in/year=2024/part=a/one.csv': 'id,x\n1,1\n',
      'in/year=2025/part=b%20c/two.csv.gz': gzipSync('x,id\n2,2\n'),
      'in/year=2025/part=__HIVE_DEFAULT_PARTITION__/three.csv.zst': zstdCompressSync('id,x\n3,3.5\n'),
      'in/_SUCCESS': '',
    });
    expectCompleted(await run({ input: 'in', source: 'csv', include: 'year,part', where: 'year > 2000' }));
    expect(await published(out, 'id, year, part, y')).toEqual([
      { id: '1', year: '2024', part: 'a', y: 1 },
      { id: '2', year: '2025', part: 'b c', y: 2 },
      { id: '3', year: '2025', part: null, y: 3.5 },
    ]);
  });

  test.concurrent('and to Parquet, as feature, key, condition and included column', async () => {
    const { run, out, folder } = bench('hive-parquet', {});
    for (const [x, rows] of [
      [1, 3],
      [2, 2],
      [5, 1],
    ] as const) {
      mkdirSync(join(folder, `in/x=${x}`), { recursive: true });
      await sql(
        `COPY (SELECT ${x} * 10 + i AS id FROM range(${rows}) t(i)) TO '${folder}/in/x=${x}/p.parquet' (FORMAT parquet)`,
      );
    }
    expectCompleted(await run({ input: 'in', include: 'x', where: 'x < 5' }));
    expect(await published(out, 'id, x, y')).toEqual([
      { id: '10', x: '1', y: 1 },
      { id: '11', x: '1', y: 1 },
      { id: '12', x: '1', y: 1 },
      { id: '20', x: '2', y: 2 },
      { id: '21', x: '2', y: 2 },
    ]);
  });

  test.concurrent('JSON Lines with lists, nested values and missing keys', async () => {
    const { run, out } = bench('jsonl', {
      'in.jsonl': '{"id":1,"x":1.5,"tags":["a","é"]}\n{"x":2,"id":2,"o":{"k":[1]}}\nnope\n',
    });
    const job = expectCompleted(await run({ input: 'in.jsonl', include: 'tags,o', 'error-budget': '1' }));
    expect(job.counts).toMatchObject({ scored: 2, rejected: 1 });
    expect(await published(out, 'id, tags, o, y')).toEqual([
      { id: '1', tags: ['a', 'é'], o: null, y: 1.5 },
      { id: '2', tags: null, o: '{"k":[1]}', y: 2 },
    ]);
  });
});

describe('a job that is broken off', () => {
  const ROWS = 400_000;
  const big = () => `id,x\n${Array.from({ length: ROWS }, (_, at) => `${at},${at % 1_000}`).join('\n')}\n`;

  test('kill -9 in the middle of pin: the next run pins anew, and every row is there once', async () => {
    const { run, start, out } = bench('killed', { 'a.csv': big(), 'b.csv': `id,x\n${ROWS},5\nbroken\n` });
    const flags = { input: '*.csv', 'error-budget': '1' };
    const first = start(flags);
    await eventOf(first, ({ job }) => job?.status === 'preparing');
    first.child.kill('SIGKILL');
    expect((await first.ended).signal).toBe('SIGKILL');
    const job = expectCompleted(await run(flags));
    expect(job.counts).toEqual({ read: ROWS + 2, scored: ROWS + 1, rejected: 1, filtered: 0 });
    expect(
      await sql(
        `SELECT count(*) AS n, count(DISTINCT id) AS ids, sum(y)::BIGINT AS y FROM '${out}/*.parquet'`,
      ),
    ).toEqual([{ n: String(ROWS + 1), ids: String(ROWS + 1), y: String((ROWS / 1_000) * 499_500 + 5) }]);
  });

  test('an original that changed since is not scored by halves', async () => {
    const { run, start, folder } = bench('changed', { 'a.csv': big() });
    const flags = { input: 'a.csv' };
    const first = start(flags);
    await eventOf(first, ({ job }) => job?.status === 'running');
    first.child.kill('SIGINT');
    expect((await first.ended).events.at(-1)).toMatchObject({ event: 'interrupted' });
    utimesSync(join(folder, 'a.csv'), 1, 1);
    expectRefused(await run(flags), { exit: 6, code: 'SOURCE_CHANGED', names: ['a.csv', 'written again'] });
    expectCompleted(await run({ ...flags, fresh: true }));
  });
});
