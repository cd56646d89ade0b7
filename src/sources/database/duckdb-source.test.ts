import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type DatabaseBench, databaseBench } from './database-bench.ts';

let bench: DatabaseBench;
beforeAll(async () => {
  bench = await databaseBench((folder) => `{ kind: duckdb, path: ${folder}/w.duckdb }`);
  const instance = await DuckDBInstance.create(join(bench.folder, 'w.duckdb'));
  const connection = await instance.connect();
  await connection.run(`
    CREATE SCHEMA shop;
    CREATE TABLE shop."odd ""name" AS SELECT i::BIGINT AS id, i / 2.0 AS half FROM range(3) t(i);
    CREATE TABLE numbers AS SELECT i::INTEGER AS id FROM range(1000) t(i);
    CREATE SEQUENCE counter;
    CREATE VIEW leak AS SELECT * FROM read_text('/etc/passwd');
    CREATE TABLE lists AS SELECT * FROM (VALUES
      (1, '[1.5, 2]', [1, 2]), (2, '[1, 2, 3]', [3, 4]), (3, NULL, NULL), (4, 'nonsense', [5]), (5, '[1, "2"]', [6, NULL]), (6, '[1, null]', [7, 8])
    ) t(id, vals, ints);`);
  connection.closeSync();
  instance.closeSync();
  writeFileSync(join(bench.folder, 'secret.txt'), 'canary');
});
afterAll(() => bench[Symbol.asyncDispose]());

test('values and types come as they are; those that Parquet has not are made exact ones', async () => {
  const { columns, rows, snapshot } = await bench.pin({
    query: `SELECT 9223372036854775807::BIGINT AS big, 18446744073709551615::UBIGINT AS ubig, 'NaN'::DOUBLE AS nan,
      '-inf'::FLOAT AS inf, 12345.678::DECIMAL(20,3) AS dec, sum(id) AS total, 'x'::ENUM('x', 'y') AS choice,
      '{"a": 1}'::JSON AS json, TIMESTAMP_S '2024-02-29 12:00:00' AS seconds, TIMESTAMPTZ '2024-02-29 12:00:00.123456+05' AS tz,
      DATE '0044-03-15 (BC)' AS bc, 'infinity'::DATE AS forever, TIME '24:00:00' AS midnight, '\\xAA\\x00'::BLOB AS bytes,
      [1, NULL] AS list, NULL::INTEGER AS nothing, '\\N' AS not_null, '' AS empty, 'a"b,c' || chr(10) || 'd' AS text
      FROM numbers;`,
  });
  expect(columns).toEqual([
    'big BIGINT',
    'ubig UBIGINT',
    'nan DOUBLE',
    'inf FLOAT',
    'dec DECIMAL(20,3)',
    'total DECIMAL(38,0)',
    'choice VARCHAR',
    'json VARCHAR',
    'seconds TIMESTAMP',
    'tz TIMESTAMP WITH TIME ZONE',
    'bc DATE',
    'forever DATE',
    'midnight TIME',
    'bytes BLOB',
    'list INTEGER[]',
    'nothing INTEGER',
    'not_null VARCHAR',
    'empty VARCHAR',
    'text VARCHAR',
  ]);
  expect(rows).toEqual([
    [
      '9223372036854775807',
      '18446744073709551615',
      'nan',
      '-inf',
      '12345.678',
      '499500',
      'x',
      '{"a": 1}',
      '2024-02-29 12:00:00',
      '2024-02-29 07:00:00.123456+00',
      '0044-03-15 (BC)',
      'infinity',
      '24:00:00',
      '\\xAA\\x00',
      '[1, NULL]',
      null,
      '\\N',
      '',
      'a"b,c\nd',
    ],
  ]);
  expect(snapshot.files[0]?.original?.database).toMatchObject({
    connection: 'db',
    server: expect.stringMatching(/^DuckDB \d/),
    user: null,
  });
});

test('a table by an odd name, and only some of its columns', async () => {
  expect(await bench.pin({ table: 'shop."odd ""name"', columns: ['half'] })).toMatchObject({
    columns: ['half DECIMAL(18,3)'].map(() => expect.stringMatching(/^half /)),
    rows: [['0.0'], ['0.5'], ['1.0']],
  });
});

test('a query without rows gives columns and no rows', async () => {
  expect(await bench.pin({ query: 'SELECT id FROM numbers WHERE id < 0' })).toMatchObject({
    columns: ['id INTEGER'],
    rows: [],
  });
});

test('more rows than are allowed', async () => {
  await using small = await databaseBench(() => `{ kind: duckdb, path: ${bench.folder}/w.duckdb }`, 999);
  expect(await small.refusal({ query: 'SELECT * FROM numbers' })).toMatch(
    /^SOURCE_TOO_LARGE .*more than 999 rows/,
  );
});

describe('what is no single SELECT that only reads is refused, and nothing is written', () => {
  test.each([
    ['a syntax error, with its place', 'SELECT id\nFORM numbers WHERE', /^QUERY_INVALID .*line 2, column 6/],
    ['a missing table', 'SELECT * FROM numbres', /^QUERY_INVALID .*line 1, column 15: .*numbres/],
    ['a missing column', 'SELECT idd FROM numbers', /^QUERY_INVALID .*idd/],
    ['two statements', 'SELECT 1 AS a; SELECT 2 AS b', /^QUERY_FORBIDDEN .*2 statements/],
    ['a pasted COPY', `SELECT 1 AS a) TO '/tmp/x' --`, /^QUERY_INVALID/],
    ['COPY TO', `COPY numbers TO '/tmp/batchwright-stolen.csv'`, /^QUERY_FORBIDDEN/],
    ['INSERT', 'INSERT INTO numbers VALUES (1)', /^QUERY_(FORBIDDEN|INVALID)/],
    ['nextval', `SELECT nextval('counter') AS n`, /^QUERY_F/],
    ['ATTACH', `ATTACH '/tmp/x.duckdb'`, /^QUERY_FORBIDDEN/],
    ['INSTALL', 'INSTALL httpfs', /^QUERY_FORBIDDEN/],
    ['SET', 'SET enable_external_access = true', /^QUERY_FORBIDDEN/],
    ['PRAGMA', 'PRAGMA database_list', /^QUERY_FORBIDDEN/],
    ['a file', `SELECT * FROM read_text('/etc/passwd')`, /^QUERY_FORBIDDEN .*disabled/],
    ['a file beside the database', `SELECT * FROM read_text('secret.txt')`, /^QUERY_FORBIDDEN/],
    ['a file as a table', `SELECT * FROM '/etc/passwd.csv'`, /^QUERY_(FORBIDDEN|INVALID)/],
    ['a view of a file', 'SELECT * FROM leak', /^QUERY_FORBIDDEN/],
    ['a folder', `SELECT * FROM glob('/etc/*')`, /^QUERY_FORBIDDEN/],
    [
      'two columns of one name',
      'SELECT id AS a, id AS A FROM numbers',
      /^COLUMN_AMBIGUOUS .*A and a|^COLUMN_AMBIGUOUS/,
    ],
    ['a column name of ours', 'SELECT id AS _batchwright_line FROM numbers', /^COLUMN_AMBIGUOUS .*taken/],
    ['a type that cannot be carried', `SELECT INTERVAL 1 DAY AS gap`, /^COLUMN_TYPE Column "gap" .*INTERVAL/],
    ['a row that fails', `SELECT ('x' || id)::INTEGER AS a FROM numbers`, /^QUERY_FAILED .*x0/],
    ['a table name with a quote', undefined, /^QUERY_INVALID/],
  ])('%s', async (_, query, refusal) => {
    const input = query === undefined ? { table: '"numbers"" WHERE 1=0 --"' } : { query };
    expect(await bench.refusal(input)).toMatch(refusal);
    expect(existsSync('/tmp/batchwright-stolen.csv')).toBe(false);
  });

  test('and leaves no file behind in the workspace', async () => {
    const names = readdirSync(bench.folder).filter((name) => name.startsWith('work-'));
    const left = names.flatMap((name) =>
      readdirSync(join(bench.folder, name), { recursive: true, encoding: 'utf8' }),
    );
    await bench.refusal({ query: `SELECT ('x' || id)::INTEGER AS a FROM numbers` });
    const after = readdirSync(bench.folder)
      .filter((name) => name.startsWith('work-'))
      .flatMap((name) => readdirSync(join(bench.folder, name), { recursive: true, encoding: 'utf8' }));
    expect(after.filter((name) => !left.includes(name) && name.includes('parquet'))).toEqual([]);
  });
});

test('a query that never ends is stopped', async () => {
  const endless =
    'SELECT count(*) AS n FROM range(1000000000) a, range(1000000000) b WHERE a.range + b.range = 7';
  expect(await bench.refusal({ query: endless, timeout_seconds: 0.2 })).toMatch(
    /^QUERY_TIMEOUT .*0.2 seconds/,
  );
});

test('a file that another process has open is named with that process', async () => {
  const holder = spawn(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      `import { DuckDBInstance } from '@duckdb/node-api';
       const instance = await DuckDBInstance.create(process.argv[1]);
       await instance.connect(); console.log('open'); setInterval(() => {}, 1000);`,
      join(bench.folder, 'w.duckdb'),
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  try {
    await once(holder.stdout, 'data');
    expect(await bench.refusal({ query: 'SELECT 1 AS a' })).toMatch(
      new RegExp(`^WAREHOUSE_LOCKED .*w.duckdb.*PID ${holder.pid}`),
    );
  } finally {
    holder.kill('SIGKILL');
    await once(holder, 'close');
  }
});

test('a file that is not there, or is none of DuckDB', async () => {
  await using none = await databaseBench(() => '{ kind: duckdb, path: nowhere.duckdb }');
  expect(await none.refusal({ query: 'SELECT 1 AS a' })).toMatch(/^CONNECTION_REFUSED .*does not exist/);
  await using other = await databaseBench(() => `{ kind: duckdb, path: ${bench.folder}/secret.txt }`);
  expect(await other.refusal({ query: 'SELECT 1 AS a' })).toMatch(/^CONNECTION_REFUSED/);
});

describe('unfolding', () => {
  test('lists become columns; a list of another length rejects its row, and leaves it its other values', async () => {
    const { columns, rows, snapshot } = await bench.pin({
      query: 'SELECT id, vals FROM lists ORDER BY id',
      unfold: { vals: ['x', 'y'] },
    });
    expect(columns).toEqual(['id INTEGER', 'vals VARCHAR', 'x DOUBLE', 'y DOUBLE']);
    expect(rows).toEqual([
      ['1', '[1.5, 2]', '1.5', '2.0'],
      'has 3 numbers in vals, and not 2',
      ['3', null, null, null],
      'has no list of numbers in vals',
      'has no list of numbers in vals',
      ['6', '[1, null]', '1.0', null],
    ]);
    expect(snapshot.files[0]?.original?.malformed).toBe(3);
  });

  test('of a list column the type of its elements is kept', async () => {
    const { columns, rows } = await bench.pin({
      table: 'lists',
      columns: ['id', 'i1', 'i2'],
      unfold: { ints: ['i1', 'i2'] },
    });
    expect(columns).toEqual(['id INTEGER', 'ints INTEGER[]', 'i1 INTEGER', 'i2 INTEGER']);
    expect(rows[0]).toEqual(['1', '[1, 2]', '1', '2']);
    expect(rows[3]).toBe('has 1 numbers in ints, and not 2');
  });

  test.each([
    [{ nope: ['a'] }, /^COLUMN_MISSING/],
    [{ vals: ['id'] }, /^COLUMN_AMBIGUOUS/],
    [{ id: ['a'] }, /^COLUMN_TYPE/],
  ])('what cannot be is refused: %j', async (unfold, refusal) => {
    expect(await bench.refusal({ query: 'SELECT id, vals FROM lists', unfold })).toMatch(refusal);
  });
});
