import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Failure } from '../core/errors.ts';
import { openReadingDatabase } from './reading-database.ts';
import { groupRejects } from './reject-groups.ts';
import { type LineFormat, openTable, type TableRequest } from './table-reader.ts';

const home = mkdtempSync(join(tmpdir(), 'batchwright-table-reader-'));
const nasty = join(home, 'nasty [1].parquet');
let sql: (query: string) => Promise<Record<string, unknown>[]>;
let close = () => {};

beforeAll(async () => {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  await connection.run("SET TimeZone = 'UTC'");
  sql = async (query) =>
    (await connection.runAndReadAll(query)).getRowObjectsJson() as Record<string, unknown>[];
  close = () => {
    connection.closeSync();
    instance.closeSync();
  };
  await sql(`COPY (SELECT * REPLACE (f::FLOAT AS f) FROM (VALUES
      (1, 9223372036854775807, 0.1::DOUBLE, 0.1::FLOAT, 123456789012345678.123456789::DECIMAL(27,9), 'a,"b"' || chr(10) || 'c', '', TIMESTAMP '2026-01-02 03:04:05.678901', TIMESTAMPTZ '2026-01-02 03:04:05.678901+00', 'ab\\x00\\xFF'::BLOB, [1, NULL, 3], {'k': 'ü'}, DATE '0001-01-01', true),
      (2, -9223372036854775808, 'NaN', '-Infinity', -0.000000001, chr(27) || '[2J', NULL, NULL, NULL, ''::BLOB, [], {'k': NULL}, NULL, false),
      (3, NULL, -0.0, 3.4028235e38, NULL, '=1+1', ' ', 'infinity', NULL, NULL, NULL, NULL, DATE '9999-12-31', NULL)
    ) t(id, big, d, f, "dec imal", "te""xt", empty, ts, tz, bytes, list, struct, day, flag)) TO '${nasty.replaceAll("'", "''")}' (FORMAT parquet)`);
});
afterAll(() => {
  close();
  rmSync(home, { recursive: true, force: true });
});

const ALL: TableRequest = {
  sources: [{ paths: [nasty], columns: null, stored: new Map() }],
  where: null,
  equal: null,
  limit: null,
  writes: null,
};

async function linesOf(request: TableRequest, format: LineFormat): Promise<{ text: string; rows: number }> {
  await using table = await openTable(request);
  let text = '';
  let rows = 0;
  for await (const piece of table.lines(format)) {
    text += piece.text;
    rows += piece.rows;
  }
  return { text, rows };
}

const TYPES =
  "id: 'INTEGER', big: 'BIGINT', d: 'DOUBLE', f: 'FLOAT', \"dec imal\": 'DECIMAL(27,9)', \"te\"\"xt\": 'VARCHAR', empty: 'VARCHAR', ts: 'TIMESTAMP', tz: 'TIMESTAMPTZ', bytes: 'BLOB', list: 'INTEGER[]', struct: 'STRUCT(k VARCHAR)', day: 'DATE', flag: 'BOOLEAN'";

describe('an export for repair loses nothing', () => {
  test('CSV read back has every value, null and empty text apart, and the rows are counted despite line ends in texts', async () => {
    const { text, rows } = await linesOf(ALL, 'csv');
    expect(rows).toBe(3);
    const file = join(home, 'back.csv');
    writeFileSync(file, text);
    const back = `(SELECT * REPLACE (list::JSON::INTEGER[] AS list, struct::JSON::STRUCT(k VARCHAR) AS struct) FROM read_csv('${file}', header = true, auto_detect = false, delim = ',', quote = '"', escape = '"', nullstr = '', allow_quoted_nulls = false, columns = {${TYPES.replaceAll('INTEGER[]', 'VARCHAR').replaceAll('STRUCT(k VARCHAR)', 'VARCHAR').replaceAll('""', '\\"').replaceAll('"te\\"xt"', "'te\"xt'").replaceAll('"dec imal"', "'dec imal'")}}))`;
    const original = `read_parquet('${nasty.replace('[', '[[]')}')`;
    expect(await sql(`SELECT id FROM (FROM ${original} EXCEPT FROM ${back})`)).toEqual([]);
    expect(await sql(`SELECT id FROM (FROM ${back} EXCEPT FROM ${original})`)).toEqual([]);
  });

  test('JSON lines are JSON, with all digits, and say NaN and infinities as texts', async () => {
    const { text, rows } = await linesOf(ALL, 'jsonl');
    expect(rows).toBe(3);
    const [first = '', second = '', third = ''] = text.trimEnd().split('\n');
    expect(first).toContain('"big":9223372036854775807');
    expect(first).toContain('"dec imal":123456789012345678.123456789');
    expect(JSON.parse(first)).toMatchObject({ 'te"xt': 'a,"b"\nc', empty: '', list: [1, null, 3], d: 0.1 });
    expect(JSON.parse(second)).toMatchObject({ d: 'NaN', f: '-Infinity', empty: null, list: [] });
    expect(JSON.parse(third)).toMatchObject({ big: null, list: null, struct: null });
  });

  test('Parquet read back is the same', async () => {
    const file = join(home, 'back.parquet');
    await using table = await openTable({ ...ALL, writes: file });
    expect(await table.writeParquet()).toBe(3);
    const original = `read_parquet('${nasty.replace('[', '[[]')}')`;
    expect(await sql(`SELECT id FROM (FROM ${original} EXCEPT FROM '${file}')`)).toEqual([]);
    expect(await sql(`DESCRIBE FROM '${file}'`)).toEqual(await sql(`DESCRIBE FROM ${original}`));
  });
});

test('conditions, limits and names: only what was asked for, in its order', async () => {
  await using table = await openTable({
    sources: [
      {
        paths: [nasty],
        columns: [
          { stored: 'te"xt', name: 'a' },
          { stored: 'id', name: 'b' },
        ],
        stored: new Map(),
      },
    ],
    where: 'b >= 2',
    equal: { column: 'a', text: '=1+1' },
    limit: 5,
    writes: null,
  });
  expect(table.columns.map(({ name }) => name)).toEqual(['a', 'b']);
  expect(await table.texts()).toEqual([['=1+1', '3']]);
});

test('a condition reaches no file, and the database nothing but the files shown', async () => {
  const secret = mkdtempSync(join(tmpdir(), 'batchwright-secret-'));
  writeFileSync(join(secret, 'secret.txt'), 'x');
  try {
    const refused = openTable({ ...ALL, where: `read_text('${secret}/secret.txt') IS NULL` });
    await expect(refused).rejects.toThrow(Failure);
    await using database = await openReadingDatabase([nasty], null);
    await expect(database.connection.run(`FROM read_text('${secret}/secret.txt')`)).rejects.toThrow(
      /Permission|disabled/i,
    );
    await expect(database.connection.run(`COPY (SELECT 1) TO '${secret}/new.csv'`)).rejects.toThrow(
      /Permission|disabled/i,
    );
  } finally {
    rmSync(secret, { recursive: true, force: true });
  }
});

test('rejects are grouped by cause: numbers of a record do not make a cause of their own, names of columns do', async () => {
  mkdirSync(join(home, 'rejects'));
  const file = join(home, 'rejects/a.parquet');
  await sql(`COPY (
    SELECT i AS id, CASE WHEN i % 10 = 0 THEN 'NULL_FEATURE' ELSE 'FEATURE_NOT_EXACT' END AS code,
           CASE WHEN i % 10 = 0 THEN 'Column f' || (i % 20 / 10)::INT || ' is null.' ELSE 'Column f3 holds ' || (i * 1.5) || ', not exact.' END AS message
      FROM range(1000) t(i)) TO '${file}' (FORMAT parquet)`);
  const { groups, countedRows, comparedRows } = await groupRejects([{ path: file, rows: 1_000 }], 'id');
  expect({ countedRows, comparedRows }).toEqual({ countedRows: 1_000, comparedRows: 1_000 });
  expect(groups.map(({ code, rows }) => [code, rows])).toEqual([
    ['FEATURE_NOT_EXACT', 900],
    ['NULL_FEATURE', 100],
  ]);
  expect(groups[0]?.causes).toEqual([
    { message: expect.stringContaining('Column f3 holds'), rows: 900, samples: ['1', '2', '3'] },
  ]);
  expect(groups[1]?.causes).toEqual([
    { message: 'Column f0 is null.', rows: 50, samples: ['0', '20', '40'] },
    { message: 'Column f1 is null.', rows: 50, samples: ['10', '30', '50'] },
  ]);
});

test('millions of rejects are counted, but only the first of them compared', async () => {
  const file = join(home, 'rejects/many.parquet');
  await sql(`COPY (
    SELECT i AS id, 'NULL_FEATURE' AS code, 'row ' || i AS message FROM range(1000000) t(i)
    UNION ALL SELECT 1000000, 'NULL_KEY', 'The key is null.') TO '${file}' (FORMAT parquet)`);
  const { groups, countedRows, comparedRows } = await groupRejects([{ path: file, rows: 1_000_001 }], 'id');
  expect({ countedRows, comparedRows }).toEqual({ countedRows: 1_000_001, comparedRows: 100_000 });
  expect(groups).toEqual([
    {
      code: 'NULL_FEATURE',
      rows: 1_000_000,
      causes: [{ message: 'row 0', rows: 100_000, samples: ['0', '1', '2'] }],
    },
    { code: 'NULL_KEY', rows: 1, causes: [] },
  ]);
});
