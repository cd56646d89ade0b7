import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { buildModel, identityModel, linearModel, node } from './onnx-builder.ts';
import { sql } from './support/parquet.ts';
import { expectCompleted, expectNothingAt, expectRefused, workshop } from './support/workshop.ts';

vi.setConfig({ maxConcurrency: 3, testTimeout: 180_000 });

const shop = workshop('odd-tables', {
  model: '../identity.onnx',
  input: 'in.parquet',
  key: 'id',
  features: 'x',
});

beforeAll(() => {
  writeFileSync(join(shop.home, 'identity.onnx'), identityModel());
  // x -> 1 / x: a zero gives an infinite prediction, and a NaN a NaN.
  const reciprocal = {
    inputs: [{ name: 'x', type: 'float32' }],
    outputs: [{ name: 'y', type: 'float32' }],
    nodes: [node('Reciprocal', ['x'], ['y'])],
  } as const;
  writeFileSync(join(shop.home, 'reciprocal.onnx'), buildModel(reciprocal));
});
afterAll(() => shop.remove());

/** A bench whose `in.parquet` is the result of a query. */
async function table(name: string, select: string) {
  const bench = shop.bench(name);
  await sql(`COPY (${select}) TO '${bench.folder}/in.parquet' (FORMAT parquet)`);
  return bench;
}

async function rows(query: string): Promise<unknown[]> {
  return sql(query);
}

describe('sizes at the borders of a batch', () => {
  test.concurrent.each([1, 3, 4, 5])(
    '%i rows in batches of 4: each once, with its own score',
    async (count) => {
      const bench = await table(`rows-${count}`, `SELECT i AS id, i::FLOAT AS x FROM range(${count}) t(i)`);
      const job = expectCompleted(await bench.run({ 'batch-size': '4' }));
      expect(job.counts).toEqual({ read: count, scored: count, rejected: 0, filtered: 0 });
      expect(await rows(`SELECT id, y FROM read_parquet('${bench.out}/part-*.parquet') ORDER BY id`)).toEqual(
        Array.from({ length: count }, (_, i) => ({ id: String(i), y: i })),
      );
    },
  );

  test.concurrent('a cell of 10 MB in an included column', async () => {
    const bench = await table(
      'large-cell',
      `SELECT i AS id, i::FLOAT AS x, repeat('0123456789', CASE i WHEN 1 THEN 1048576 ELSE 1 END) AS text FROM range(3) t(i)`,
    );
    expectCompleted(await bench.run({ include: 'text' }));
    const lengths = await rows(
      `SELECT id, length(text) AS n, md5(text) AS h FROM read_parquet('${bench.out}/part-*.parquet') ORDER BY id`,
    );
    expect(lengths).toEqual(
      await rows(
        `SELECT id, length(text) AS n, md5(text) AS h FROM read_parquet('${bench.folder}/in.parquet') ORDER BY id`,
      ),
    );
  });

  test.concurrent('5,000 columns, all of them features and all of them included', async () => {
    const names = Array.from({ length: 5_000 }, (_, i) => `c${i}`);
    const columns = names.map((name, i) => `(i + ${i % 7})::FLOAT AS ${name}`).join(', ');
    const bench = await table('wide', `SELECT i AS id, ${columns} FROM range(5) t(i)`);
    writeFileSync(join(bench.folder, 'm.onnx'), linearModel(names.map((_, i) => (i === 4_999 ? 1 : 0))));
    const file = {
      model_id: 'm.onnx',
      input: { source: 'parquet', path: 'in.parquet', key: 'id', features: names },
      output: { destination: 'parquet', path: 'out', include: names },
    };
    writeFileSync(join(bench.folder, 'job.json'), JSON.stringify(file));
    expectCompleted(
      await bench.run(
        { model: null, input: null, key: null, features: null, output: null },
        { file: 'job.json' },
      ),
    );
    const part = `read_parquet('${bench.out}/part-*.parquet')`;
    expect(await rows(`SELECT count(*) AS n FROM (DESCRIBE FROM ${part})`)).toEqual([{ n: '5002' }]);
    expect(await rows(`SELECT id, c0, c4999, y FROM ${part} ORDER BY id`)).toEqual(
      [0, 1, 2, 3, 4].map((i) => ({ id: String(i), c0: i, c4999: i + (4_999 % 7), y: i + (4_999 % 7) })),
    );
  });
});

describe('values', () => {
  test.concurrent('a null in a feature: rejected, NaN or a number, as input.on_null says', async () => {
    const bench = await table(
      'nulls',
      `SELECT i AS id, CASE WHEN i <> 2 THEN i::FLOAT END AS x FROM range(4) t(i)`,
    );
    expectRefused(await bench.run({}), {
      exit: 1,
      code: 'ERROR_BUDGET_EXCEEDED',
      names: ['NULL_FEATURE', /\b2\b/, 'x'],
    });
    expectNothingAt(bench.out);
    const rejected = expectCompleted(await bench.run({ 'error-budget': '1', output: 'rejected' }));
    expect(rejected.counts).toEqual({ read: 4, scored: 3, rejected: 1, filtered: 0 });
    expect(
      await rows(`SELECT id, code, x FROM read_parquet('${bench.folder}/rejected/_rejects/*.parquet')`),
    ).toEqual([{ id: '2', code: 'NULL_FEATURE', x: null }]);
    expectCompleted(await bench.run({ 'on-null': '0', output: 'zero' }));
    expect(
      await rows(`SELECT y FROM read_parquet('${bench.folder}/zero/part-*.parquet') ORDER BY id`),
    ).toEqual([0, 1, 0, 3].map((y) => ({ y })));
    expectCompleted(await bench.run({ 'on-null': 'nan', 'allow-non-finite': true, output: 'nan' }));
    expect(
      await rows(
        `SELECT y IS NULL AS n, isnan(y) AS nan FROM read_parquet('${bench.folder}/nan/part-*.parquet') WHERE id = 2`,
      ),
    ).toEqual([{ n: false, nan: true }]);
  });

  test.concurrent('predictions that are NaN or infinite: rejected by key, unless allowed', async () => {
    const bench = await table(
      'non-finite',
      `SELECT id, x::FLOAT AS x FROM (VALUES ('one', 1), ('zero', 0), ('nan', 'nan'::FLOAT), ('two', 2)) t(id, x)`,
    );
    const model = { model: '../reciprocal.onnx' };
    const failed = await bench.run({ ...model, 'error-budget': '1' });
    expectRefused(failed, {
      exit: 1,
      code: 'ERROR_BUDGET_EXCEEDED',
      names: ['PREDICTION_NOT_FINITE', /zero|nan/],
    });
    expectNothingAt(bench.out);
    expectCompleted(await bench.run({ ...model, 'error-budget': '50%' }));
    expect(
      await rows(`SELECT id, code FROM read_parquet('${bench.out}/_rejects/*.parquet') ORDER BY id`),
    ).toEqual([
      { id: 'nan', code: 'PREDICTION_NOT_FINITE' },
      { id: 'zero', code: 'PREDICTION_NOT_FINITE' },
    ]);
    expectCompleted(await bench.run({ ...model, 'allow-non-finite': true, output: 'allowed' }));
    expect(
      await rows(
        `SELECT id, y::VARCHAR AS y FROM read_parquet('${bench.folder}/allowed/part-*.parquet') ORDER BY id`,
      ),
    ).toEqual([
      { id: 'nan', y: 'nan' },
      { id: 'one', y: '1.0' },
      { id: 'two', y: '0.5' },
      { id: 'zero', y: 'inf' },
    ]);
  });

  test.concurrent('a budget of a share counts rows of the whole input, rounded down', async () => {
    const bench = await table(
      'share',
      `SELECT i AS id, CASE WHEN i % 10 <> 0 THEN i::FLOAT END AS x FROM range(30) t(i)`,
    );
    const failed = await bench.run({ 'error-budget': '9.9%' });
    expectRefused(failed, { exit: 1, code: 'ERROR_BUDGET_EXCEEDED', names: [/\b2\b/] });
    expectNothingAt(bench.out);
    expect(expectCompleted(await bench.run({ 'error-budget': '10%' })).counts.rejected).toBe(3);
  });

  test.concurrent('a key that is null is a reject; one that stands twice only where it was declared unique', async () => {
    const bench = await table(
      'keys',
      `SELECT * FROM (VALUES (1, 1::FLOAT), (NULL, 2), (3, 3), (3, 4)) t(id, x)`,
    );
    const budget = { 'error-budget': '1' };
    expect(expectCompleted(await bench.run(budget)).counts).toEqual({
      read: 4,
      scored: 3,
      rejected: 1,
      filtered: 0,
    });
    expect(await rows(`SELECT id, code, x FROM read_parquet('${bench.out}/_rejects/*.parquet')`)).toEqual([
      { id: null, code: 'NULL_KEY', x: 2 },
    ]);
    const twice = await bench.run({ ...budget, 'unique-key': true, output: 'unique' });
    expectRefused(twice, { exit: 2, code: 'DUPLICATE_KEY', names: ['id', /\b3\b/, 'unique_key'] });
    expectNothingAt(join(bench.folder, 'unique'));
  });

  test.concurrent('a whole number that the model could only take rounded is a reject', async () => {
    const bench = await table('inexact', `SELECT i AS id, (16777215 + i)::BIGINT AS x FROM range(3) t(i)`);
    expect(expectCompleted(await bench.run({ 'error-budget': '1' })).counts.rejected).toBe(1);
    expect(await rows(`SELECT id, code, x FROM read_parquet('${bench.out}/_rejects/*.parquet')`)).toEqual([
      { id: '2', code: 'FEATURE_NOT_EXACT', x: '16777217' },
    ]);
  });
});

describe('what passes through', () => {
  test.concurrent('every type comes out as it went in, NaN and null apart, with a decimal as key', async () => {
    const bench = await table(
      'types',
      `SELECT (9007199254740993 + i)::DECIMAL(38,0) AS id, i::FLOAT AS x,
         9007199254740993::BIGINT + i AS big, 18446744073709551604::UBIGINT + i::UBIGINT AS unsigned,
         (i || '.000000000000000000000000000001')::DECIMAL(38,30) AS precise,
         TIMESTAMPTZ '2024-03-31 01:30:00.123456+00' + to_hours(i::INT) AS instant,
         TIMESTAMP '1677-09-22 00:00:00' + to_days(i::INT) AS local, DATE '0001-01-01' + i::INT AS day, TIME '23:59:59.999999' AS time,
         CASE i % 4 WHEN 0 THEN NULL WHEN 1 THEN 'nan'::DOUBLE WHEN 2 THEN '-inf'::DOUBLE ELSE -0.0 END AS real,
         CASE i % 3 WHEN 0 THEN NULL WHEN 1 THEN '' ELSE chr(128512) || chr(769) END AS text,
         CASE i % 3 WHEN 0 THEN NULL WHEN 1 THEN '\\x00\\xFF'::BLOB ELSE ''::BLOB END AS bytes,
         CASE i % 4 WHEN 0 THEN NULL WHEN 1 THEN [] WHEN 2 THEN [NULL, [9007199254740993]] ELSE [[1, NULL], []] END AS nested,
         CASE i % 3 WHEN 0 THEN NULL ELSE {a: i, b: [{c: 'x', d: NULL::DECIMAL(20,2)}, NULL], 'E f': 1.5::DECIMAL(20,2)} END AS struct,
         MAP {'k': i} AS map, i % 2 = 0 AS flag, uuid() AS uid
       FROM range(12) t(i)`,
    );
    const [{ include } = { include: '' }] = (await rows(
      `SELECT string_agg(column_name, ',') AS include FROM (DESCRIBE FROM read_parquet('${bench.folder}/in.parquet')) WHERE column_name NOT IN ('id', 'x')`,
    )) as { include: string }[];
    expectCompleted(await bench.run({ include }));
    const wanted = `SELECT id, ${include}, x AS y FROM read_parquet('${bench.folder}/in.parquet')`;
    const published = `SELECT id, ${include}, y FROM read_parquet('${bench.out}/part-*.parquet')`;
    // As text: SQL's EXCEPT holds -0.0 and 0.0 for the same.
    const text = (query: string) => rows(`SELECT COLUMNS(*)::VARCHAR FROM (${query}) ORDER BY id`);
    expect(await text(published)).toEqual(await text(wanted));
    expect(
      await rows(`(${published} EXCEPT ALL ${wanted}) UNION ALL (${wanted} EXCEPT ALL ${published})`),
    ).toEqual([]);
    const types = (query: string) => rows(`SELECT column_name, column_type FROM (DESCRIBE ${query})`);
    expect(await types(published)).toEqual(await types(wanted));
  });

  test.concurrent('without a key, file and row number are the key, over several files, with where and limit', async () => {
    const bench = shop.bench('no-key');
    for (const [name, from] of [
      ['a', 0],
      ['b', 5],
    ] as const) {
      await sql(
        `COPY (SELECT i::FLOAT AS x FROM range(${from}, ${from + 5}) t(i)) TO '${bench.folder}/${name}.parquet' (FORMAT parquet)`,
      );
    }
    const job = expectCompleted(
      await bench.run({ key: null, input: '*.parquet', where: 'x <> 3', limit: '8', 'batch-size': '2' }),
    );
    expect(job.counts).toEqual({ read: 8, scored: 7, rejected: 0, filtered: 1 });
    const found = await rows(
      `SELECT parse_filename(source_file) AS file, source_row, y FROM read_parquet('${bench.out}/part-*.parquet') ORDER BY y`,
    );
    const all = [0, 1, 2, 4, 5, 6, 7].map((y) => ({
      file: y < 5 ? 'a.parquet' : 'b.parquet',
      source_row: String(y % 5),
      y,
    }));
    expect(found).toEqual(all);
  });

  test.concurrent('input.columns hides a column from rejects, and from the condition', async () => {
    const bench = await table(
      'columns',
      `SELECT i AS id, NULL::FLOAT AS x, 'secret' AS ssn FROM range(2) t(i)`,
    );
    expectCompleted(await bench.run({ 'input-columns': 'id,x', 'error-budget': '2' }));
    const [row] = await sql(`SELECT * FROM read_parquet('${bench.out}/_rejects/*.parquet') LIMIT 1`);
    expect(Object.keys(row ?? {})).toEqual(['id', 'code', 'message', 'attempt', 'x']);
    const condition = await bench.run({ 'input-columns': 'id,x', where: "ssn = 'secret'", output: 'other' });
    expectRefused(condition, { exit: 2, code: 'COLUMN_MISSING', names: ['ssn'] });
  });
});

test('a byte flipped in a value, which no decoder can notice, changes that value and nothing else', async () => {
  const bench = shop.bench('flipped');
  const file = join(bench.folder, 'in.parquet');
  await sql(
    `COPY (SELECT i AS id, (i * 0.37)::FLOAT AS x FROM range(2000) t(i)) TO '${file}' (FORMAT parquet, COMPRESSION uncompressed, DICTIONARY_SIZE_LIMIT 1)`,
  );
  const bytes = readFileSync(file);
  const at = bytes.indexOf(Buffer.from(Float32Array.of(1_234 * 0.37).buffer));
  expect(at).toBeGreaterThan(0);
  bytes[at + 3] = (bytes[at + 3] as number) ^ 0x80;
  writeFileSync(file, bytes);
  expect(expectCompleted(await bench.run({})).counts.scored).toBe(2_000);
  const wrong = `SELECT id FROM read_parquet('${bench.out}/part-*.parquet') WHERE y <> (id * 0.37)::FLOAT`;
  expect(await rows(wrong)).toEqual([{ id: '1234' }]);
});
