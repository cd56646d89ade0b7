import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nastyTable, nastyTypes, nastyValues } from '../../test/support/nasty-values.ts';
import type { TextFormat } from './engine.ts';
import { type EngineFixture, engineFixture } from './engine-fixture.ts';
import { exactness } from './exactness.ts';
import { whyNotCarried } from './text-carries.ts';

let fixture: EngineFixture;
beforeAll(async () => {
  fixture = await engineFixture();
});
afterAll(() => fixture[Symbol.asyncDispose]());

const CSV: TextFormat = { kind: 'csv', compression: 'none', escapeFormulas: false };
const JSONL: TextFormat = { ...CSV, kind: 'jsonl' };
let count = 0;

/** Writes the rows of a query as text; returns where it and the Parquet file are. */
async function written(select: string, format: TextFormat) {
  count += 1;
  const from = await fixture.parquet(`${count}.parquet`, select);
  const to = join(fixture.folder, `${count}.text`);
  const rows = await fixture.query<{ n: number }>(`SELECT count(*) AS n FROM '${from}'`);
  await fixture.engine.writeText({ from, to, format, rows: rows[0]?.n ?? 0 });
  return { from, to };
}
const text = async (select: string, format: TextFormat) =>
  readFile((await written(select, format)).to, 'utf8');

/** As docs/outputs.md tells readers to. */
const reader = (to: string, { kind, compression }: TextFormat, columns: string) =>
  kind === 'csv'
    ? `read_csv('${to}', auto_detect = false, header = true, delim = ',', quote = '"', escape = '"', nullstr = '', allow_quoted_nulls = false, compression = '${compression}', columns = ${columns})`
    : `read_json('${to}', format = 'newline_delimited', compression = '${compression === 'none' ? 'uncompressed' : compression}', columns = ${columns})`;

describe.each([CSV, JSONL])('200 nasty values of each type as $kind', (format) => {
  test.each(nastyTypes())('%s comes back equal, or is refused by name', async (type) => {
    expect(exactness({ name: 'v', type, neverNull: false })).toBe('exact');
    const why = whyNotCarried(format.kind, type);
    if (why !== null) {
      await expect(written(nastyTable(type), format)).rejects.toMatchObject({
        code: 'COLUMN_TYPE',
        message: expect.stringContaining(`Column "v" (${type}) ${why}`),
        place: { field: 'v' },
      });
      return;
    }
    const { from, to } = await written(nastyTable(type), format);
    const columns = `{id: 'BIGINT', v: '${type.replace(/^JSON$/, 'VARCHAR')}'}`;
    // As text, too: -0 is equal to 0.
    const different = await fixture.query(
      `SELECT a.id, a.v::VARCHAR AS was, b.v::VARCHAR AS came FROM '${from}' a FULL JOIN ${reader(to, format, columns)} b ON a.id = b.id
       WHERE a.id IS NULL OR b.id IS NULL OR a.v IS DISTINCT FROM b.v::${type} OR a.v::VARCHAR IS DISTINCT FROM b.v::VARCHAR LIMIT 5`,
    );
    expect(different).toEqual([]);
  });
});

test('every type has as many values as it is said to have', () => {
  for (const type of nastyTypes())
    expect(nastyValues(type).length, type).toBeGreaterThanOrEqual(type === 'BOOLEAN' ? 2 : 200);
});

test('null, empty text and the text null are told apart', async () => {
  const select = `SELECT * FROM (VALUES (1, NULL), (2, ''), (3, 'null'), (4, 'a,"b"')) t(id, v)`;
  expect(await text(select, CSV)).toBe('id,v\n1,\n2,""\n3,null\n4,"a,""b"""\n');
  expect(await text(select, JSONL)).toBe(
    '{"id":1,"v":null}\n{"id":2,"v":""}\n{"id":3,"v":"null"}\n{"id":4,"v":"a,\\"b\\""}\n',
  );
});

test('numbers have their shortest form, times ISO 8601 with a zone, and what JSON has no number for stands in quotes', async () => {
  const select = `SELECT 0.1::FLOAT AS f, '-0.0'::DOUBLE AS z, 'nan'::DOUBLE AS n, '-inf'::FLOAT AS i, 9007199254740993 AS b, 1.50::DECIMAL(38,2) AS d,
    '2020-01-01 00:00:00+05:30'::TIMESTAMPTZ AS t, [0.1::FLOAT, NULL, 'inf'] AS l, {'a b': 1} AS s`;
  expect(await text(select, JSONL)).toBe(
    '{"f":0.1,"z":-0.0,"n":"NaN","i":"-Infinity","b":9007199254740993,"d":"1.50","t":"2019-12-31T18:30:00.000000Z","l":[0.1,null,"Infinity"],"s":{"a b":1}}\n',
  );
  expect(await text(select.replace(/, \[.*$/, ''), CSV)).toBe(
    'f,z,n,i,b,d,t\n0.1,-0.0,nan,-inf,9007199254740993,1.50,2019-12-31T18:30:00.000000Z\n',
  );
});

test('no rows: the head alone, and an empty file', async () => {
  expect(await text(`SELECT 1 AS id, 'x' AS "a,b" WHERE false`, CSV)).toBe('id,"a,b"\n');
  expect(await text(`SELECT 1 AS id WHERE false`, JSONL)).toBe('');
});

test('names of columns that look like syntax are kept', async () => {
  const names = ['a"b', "a'b", 'a,b', 'a\nb', '{', 't', 'from', 'é 😀', '#', 'item0'];
  const select = `SELECT ${names.map((name, index) => `${index} AS "${name.replaceAll('"', '""')}"`).join(', ')}`;
  const lines = await text(select, JSONL);
  expect(JSON.parse(lines)).toEqual(Object.fromEntries(names.map((name, index) => [name, index])));
  await written(select, CSV);
});

const DANGEROUS = ['=1+1', '+1', '-1', '@A1', '\t=1', '\r=1', '\n=1'];
const HARMLESS = ['', "'=1", ' =1', 'a=1', '1-1', '"=1"', 'é'];

test('escape_formulas makes texts harmless, heads too, and leaves numbers and all other texts alone', async () => {
  const values = [...DANGEROUS, ...HARMLESS].map(
    (value, id) => `(${id}, '${value.replaceAll("'", "''")}', -1)`,
  );
  const select = `SELECT id, v AS "=v", n, n::DOUBLE AS d FROM (VALUES ${values.join(', ')}) t(id, v, n)`;
  const columns = `{id: 'BIGINT', v: 'VARCHAR', n: 'VARCHAR', d: 'VARCHAR'}`;
  for (const escapeFormulas of [true, false]) {
    const { to } = await written(select, { ...CSV, escapeFormulas });
    const found = await fixture.query<{ v: string; n: string; d: string }>(
      `SELECT v, n, d FROM ${reader(to, CSV, columns)} ORDER BY id`,
    );
    const escaped = DANGEROUS.map((value) => (escapeFormulas ? `'${value}` : value));
    expect(found.map(({ v }) => v)).toEqual([...escaped, ...HARMLESS]);
    expect(new Set(found.map(({ n, d }) => `${n} ${d}`))).toEqual(new Set(['-1 -1.0']));
    expect((await readFile(to, 'utf8')).split('\n')[0]).toBe(escapeFormulas ? "id,'=v,n,d" : 'id,=v,n,d');
  }
});

test.each([CSV, JSONL])('a cell of 20 MB of quotes, in $kind', async (format) => {
  await written(`SELECT 1 AS id, repeat('"', 20000000) AS v UNION ALL SELECT 2, 'x'`, format);
});

test.each(['gzip', 'zstd'] as const)('compressed by %s, in the order of the rows', async (compression) => {
  for (const format of [CSV, JSONL]) {
    const { to } = await written(`SELECT i AS id, 'text ' || i AS v FROM range(300000) t(i)`, {
      ...format,
      compression,
    });
    const [facts] = await fixture.query(
      `SELECT count(*) AS n, bool_and(id = place) AS ordered FROM (SELECT id, row_number() OVER () - 1 AS place FROM ${reader(to, { ...format, compression }, `{id: 'BIGINT', v: 'VARCHAR'}`)})`,
    );
    expect(facts).toEqual({ n: 300_000, ordered: true });
    const magic = (await readFile(to)).subarray(0, 2).toString('hex');
    expect(magic).toBe(compression === 'gzip' ? '1f8b' : '28b5');
  }
});

test('a value that cannot be read back fails by its file, instead of being published as another', async () => {
  const late = `SELECT 1 AS id, '290000-12-31 23:59:59.999999+00'::TIMESTAMPTZ AS v`;
  for (const format of [CSV, JSONL]) {
    await expect(written(late, format)).rejects.toMatchObject({
      code: 'ACCOUNTING',
      message: expect.stringContaining('its values are others'),
    });
  }
});

test('a number of rows other than the ledger has fails, and nothing is taken for written', async () => {
  const from = await fixture.parquet('short.parquet', 'SELECT 1 AS id');
  const request = { from, to: join(fixture.folder, 'short.csv'), format: CSV, rows: 2 };
  await expect(fixture.engine.writeText(request)).rejects.toMatchObject({ code: 'ACCOUNTING' });
});
