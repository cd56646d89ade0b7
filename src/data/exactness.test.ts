import { afterAll, beforeAll, expect, test } from 'vitest';
import { type EngineFixture, engineFixture, scoreShard } from './engine-fixture.ts';
import { exactness } from './exactness.ts';

let fixture: EngineFixture;
beforeAll(async () => {
  fixture = await engineFixture();
});
afterAll(() => fixture[Symbol.asyncDispose]());

/** Values at the limits of their types, as DuckDB expressions. */
const NASTY: Readonly<Record<string, readonly string[]>> = {
  BOOLEAN: ['true', 'false'],
  TINYINT: ['-128', '127'],
  SMALLINT: ['-32768', '32767'],
  INTEGER: ['-2147483648', '2147483647'],
  BIGINT: ['-9223372036854775808', '9223372036854775807', '9007199254740993'],
  UTINYINT: ['255'],
  USMALLINT: ['65535'],
  UINTEGER: ['4294967295'],
  UBIGINT: ['18446744073709551615'],
  FLOAT: [`'nan'`, `'-inf'`, `'-0.0'`, '1e-45', '16777217'],
  DOUBLE: [`'nan'`, `'inf'`, `'-0.0'`, '5e-324', '0.1'],
  'DECIMAL(4,2)': ['-99.99', '0.01'],
  'DECIMAL(18,3)': ['999999999999999.999'],
  'DECIMAL(38,10)': ['-9999999999999999999999999999.9999999999'],
  VARCHAR: [`''`, `'é' || chr(0) || 'ü😀'`, `'longer than twelve bytes'`, `'null'`],
  BLOB: [`'\\x00\\xFF\\xC3\\x28'`, `''`],
  UUID: [`'ffffffff-ffff-ffff-ffff-ffffffffffff'`, `'00000000-0000-0000-0000-000000000000'`],
  JSON: [`'{"b": 1, "a": [null, 1.0]}'`],
  DATE: [`'0001-01-01'`, `'9999-12-31'`, `'infinity'`],
  TIME: [`'23:59:59.999999'`],
  TIME_NS: [`'23:59:59.999999999'`],
  TIMESTAMP: [`'1677-01-01 00:00:00.000001'`, `'9999-12-31 23:59:59.999999'`, `'-infinity'`],
  TIMESTAMP_NS: [`'2020-02-29 12:00:00.123456789'`],
  'TIMESTAMP WITH TIME ZONE': [`'2020-01-01 00:00:00.000001+05:30'`],
  INTERVAL: [`'14 months 3 days 00:00:01.5'`],
  'BIGINT[]': ['[9223372036854775807, NULL]', '[]'],
  'STRUCT(a UBIGINT, "b c" VARCHAR[])': [`{'a': 18446744073709551615, 'b c': [NULL, '', 'x']}`],
  'MAP(VARCHAR, DECIMAL(18,3))': [`MAP {'k': 1.001}`],
};

test('every type said to be exact passes through with its limits, nulls and order', async () => {
  const names = Object.keys(NASTY);
  const rows = 5;
  const columns = names.map((type, index) => {
    const values = NASTY[type] ?? [];
    const cases = values.map((value, at) => `WHEN i = ${at} THEN CAST(${value} AS ${type})`).join(' ');
    return `CASE ${cases} END AS c${index}`;
  });
  const path = await fixture.parquet(
    'nasty.parquet',
    `SELECT i::DOUBLE AS x, ${columns.join(', ')} FROM range(${rows}) t(i)`,
  );
  const request = await fixture.request([path], {
    features: [{ column: 'x', type: 'float64' }],
    include: names.map((_, index) => `c${index}`),
  });
  for (const [index, type] of names.entries()) {
    const column = request.columns.find(({ name }) => name === `c${index}`);
    expect(column?.type).toBe(type);
    expect(exactness(column ?? { name: '', type: '', neverNull: false }), type).toBe('exact');
  }
  const written = await scoreShard(
    await fixture.engine.openShard(request),
    fixture.folder,
    'nasty-out',
    2,
    [{ name: 's', type: 'float64', shape: 'scalar' }],
    (batch) => [{ name: 's', type: 'float64', values: batch[0]?.values as Float64Array }],
  );
  const list = names.map((_, index) => `c${index}`).join(', ');
  const facts = (file: string) =>
    fixture.query(
      `SELECT ${names.map((_, index) => `typeof(c${index}) AS t${index}, c${index}::VARCHAR AS v${index}, hash(c${index})::VARCHAR AS h${index}`).join(', ')} FROM (SELECT ${list} FROM '${file}')`,
    );
  expect(await facts(written.partPath)).toEqual(await facts(path));
});

test.each([
  'HUGEINT',
  'UNION(a INTEGER)',
  `ENUM('a', 'b')`,
  'INTEGER[3]',
  'BIT',
  'BIGNUM',
  'VARIANT',
  'STRUCT(a BIGINT, b MAP(VARCHAR, HUGEINT))',
  'DECIMAL(76,3)',
  'TIMESTAMP holding INT96 nanoseconds',
  'STRUCT("odd, (name" HUGEINT)',
])('%s is not said to be exact', (type) => {
  expect(exactness({ name: 'x', type, neverNull: false })).toContain('type');
});
