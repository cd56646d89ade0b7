import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type DatabaseBench, databaseBench } from './database-bench.ts';

let bench: DatabaseBench;
const NASTY = [
  '',
  '\\N',
  '"',
  '""',
  ',',
  '\n',
  '\r\n',
  "'",
  '\\',
  'NULL',
  ' x ',
  '\u{1F600}',
  '\u0001',
  'a\nb,"c"',
  'x\ufeff',
  '-',
  'i1',
  '\\.',
  'x'.repeat(300_000),
];
beforeAll(async () => {
  bench = await databaseBench((folder) => `{ kind: sqlite, path: ${folder}/w.sqlite }`);
  const file = new Database(join(bench.folder, 'w.sqlite'));
  file.exec(`
    CREATE TABLE t (id INTEGER PRIMARY KEY, real REAL, text TEXT, bytes BLOB, mixed, late INTEGER);
    CREATE TABLE texts (id INTEGER PRIMARY KEY, text TEXT);
    CREATE TABLE many (id INTEGER PRIMARY KEY, x REAL);
    WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 99999) INSERT INTO many SELECT i, i / 4.0 FROM n;`);
  file
    .prepare('INSERT INTO t VALUES (?, ?, ?, ?, ?, ?)')
    .run(9223372036854775807n, 0.1, 'a', Buffer.from([0, 255]), 1, null);
  file.prepare('INSERT INTO t VALUES (?, ?, ?, ?, ?, ?)').run(1, -0.0, null, null, 2.5, null);
  file.prepare('INSERT INTO t VALUES (?, ?, ?, ?, ?, ?)').run(2, Infinity, '', Buffer.alloc(0), null, null);
  for (const text of NASTY) file.prepare('INSERT INTO texts (text) VALUES (?)').run(text);
  file.close();
});
afterAll(() => bench[Symbol.asyncDispose]());

test('types are those of the values; whole numbers among real ones are real', async () => {
  const { columns, rows, snapshot } = await bench.pin({ query: 'SELECT * FROM t ORDER BY id;' });
  expect(columns).toEqual([
    'id BIGINT',
    'real DOUBLE',
    'text VARCHAR',
    'bytes BLOB',
    'mixed DOUBLE',
    'late BIGINT',
  ]);
  expect(rows).toEqual([
    ['1', '0.0', null, null, '2.5', null],
    ['2', 'inf', '', '', null, null],
    ['9223372036854775807', '0.1', 'a', '\\x00\\xFF', '1.0', null],
  ]);
  expect(snapshot.files[0]?.original).toMatchObject({ path: 'connection db', malformed: 0 });
});

test('texts that look like quotes, nulls, line ends or another value stay what they are', async () => {
  const { rows } = await bench.pin({ query: 'SELECT text FROM texts ORDER BY id' });
  // No printing of differences: one of them is long.
  expect(rows.flatMap(([text], at) => (text === NASTY[at] ? [] : [at]))).toEqual([]);
  expect(rows).toHaveLength(NASTY.length);
});

test('a whole table in the order of its rows, and only some columns', async () => {
  const { snapshot, rows } = await bench.pin({ table: 'many', columns: ['x'] });
  expect(snapshot.rows).toBe(100_000);
  expect(rows[99_999]).toEqual(['24999.75']);
});

test('more rows than are allowed', async () => {
  await using small = await databaseBench(() => `{ kind: sqlite, path: ${bench.folder}/w.sqlite }`, 99_999);
  expect(await small.refusal({ table: 'many' })).toMatch(/^SOURCE_TOO_LARGE/);
});

describe('what is no single SELECT that only reads is refused', () => {
  test.each([
    [
      'a syntax error, with its place',
      'SELECT id\nFORM t',
      /^QUERY_INVALID .*line 2, column 6.*near "t"|^QUERY_INVALID/,
    ],
    ['a missing table', 'SELECT * FROM tt', /^QUERY_INVALID .*line 1, column 15: no such table: tt/],
    ['two statements', 'SELECT 1 AS a; SELECT 2 AS b', /^QUERY_FORBIDDEN .*more than one/],
    ['no statement', '-- nothing', /^QUERY_INVALID .*no statement/],
    ['INSERT', 'INSERT INTO t (id) VALUES (7) RETURNING id', /^QUERY_FORBIDDEN/],
    ['DELETE', 'DELETE FROM t', /^QUERY_FORBIDDEN/],
    ['PRAGMA', 'PRAGMA table_list', /^QUERY_FORBIDDEN/],
    ['EXPLAIN', 'EXPLAIN SELECT 1', /^QUERY_FORBIDDEN/],
    ['ATTACH', `ATTACH '/tmp/x.sqlite' AS x`, /^QUERY_FORBIDDEN/],
    ['VACUUM INTO', `VACUUM INTO '/tmp/x.sqlite'`, /^QUERY_FORBIDDEN/],
    ['a parenthesis too many', 'SELECT 1 AS a) --', /^QUERY_INVALID/],
    ['an extension', `SELECT load_extension('/tmp/x.so') AS a`, /^QUERY_(INVALID|FAILED)/],
    ['columns of one name', 'SELECT 1 AS a, 2 AS A', /^COLUMN_AMBIGUOUS/],
    [
      'a column of numbers and texts',
      `SELECT 1 AS a UNION ALL SELECT 'x'`,
      /^COLUMN_TYPE Column "a" holds 1 whole numbers and 1 texts/,
    ],
    [
      'whole numbers that no double holds',
      'SELECT 9007199254740993 AS a UNION ALL SELECT 0.5',
      /^COLUMN_TYPE/,
    ],
    ['a row that fails', `SELECT json_extract('x', '$') AS a`, /^QUERY_FAILED .*malformed JSON/],
  ])('%s', async (_, query, refusal) => {
    expect(await bench.refusal({ query })).toMatch(refusal);
  });
});

test('a query that never ends is killed with its process', async () => {
  const query = 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) AS n FROM n';
  expect(await bench.refusal({ query, timeout_seconds: 1 })).toMatch(/^QUERY_TIMEOUT/);
});

test('a file that is not there, or is no database', async () => {
  await using none = await databaseBench(() => '{ kind: sqlite, path: nowhere.sqlite }');
  expect(await none.refusal({ query: 'SELECT 1 AS a' })).toMatch(/^CONNECTION_REFUSED/);
  writeFileSync(join(bench.folder, 'text.txt'), 'x'.repeat(5_000));
  await using other = await databaseBench(() => `{ kind: sqlite, path: ${bench.folder}/text.txt }`);
  expect(await other.refusal({ query: 'SELECT 1 AS a' })).toMatch(/^CONNECTION_REFUSED .*not a database/);
});
