import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Failure } from '../core/errors.ts';
import { WHERE_FUNCTIONS } from '../spec/where-functions.ts';
import { parseWhere } from './parse-where.ts';

const COLUMNS = [
  { name: 'id', type: 'BIGINT' },
  { name: 'Age', type: 'INTEGER' },
  { name: 'x', type: 'DOUBLE' },
  { name: 'f', type: 'FLOAT' },
  { name: 'price', type: 'DECIMAL(18,3)' },
  { name: 'name', type: 'VARCHAR' },
  { name: 'day', type: 'DATE' },
  { name: 'ts', type: 'TIMESTAMP WITH TIME ZONE' },
  { name: 'ok', type: 'BOOLEAN' },
  { name: 'tags', type: 'VARCHAR[]' },
  { name: 'place', type: 'STRUCT(city VARCHAR)' },
  { name: 'we"ird; --', type: 'INTEGER' },
];

let instance: DuckDBInstance;
let connection: DuckDBConnection;

beforeAll(async () => {
  instance = await DuckDBInstance.create(':memory:', { threads: '1' });
  connection = await instance.connect();
  await connection.run(
    `CREATE TABLE t (${COLUMNS.map(({ name, type }) => `"${name.replaceAll('"', '""')}" ${type}`).join(', ')})`,
  );
  await connection.run(`INSERT INTO t
    SELECT i::BIGINT * 3002399751580331, i % 7 - 3, i / 10, i / 10, i / 8, chr(97 + i % 5) || repeat('b', i % 3), DATE '2024-01-01' + i, now(), i % 2 = 0,
      ['a', chr(97 + i % 5)], {'city': chr(97 + i % 5)}, i % 4
    FROM (SELECT range::INTEGER AS i FROM range(40))`);
  await connection.run('INSERT INTO t DEFAULT VALUES');
});

afterAll(() => {
  connection.closeSync();
  instance.closeSync();
});

async function rowsWhere(condition: string): Promise<string> {
  const reader = await connection.runAndReadAll(`SELECT id FROM t WHERE ${condition} ORDER BY id`);
  return JSON.stringify(reader.getRowsJson());
}

async function refusal(text: string, columns = COLUMNS): Promise<Failure> {
  const outcome = await parseWhere(text, columns).catch((error: unknown) => error);
  if (outcome instanceof Failure) return outcome;
  throw outcome instanceof Error ? outcome : new Error(`was accepted: ${JSON.stringify(outcome)}`);
}

const ATTACKS: readonly string[] = [
  // Another statement, or more than a condition
  'id = 1; DROP TABLE t',
  'id = 1; SELECT 1',
  "id = 1; ATTACH 'x.db'",
  'id = 1) OR (1 = 1',
  "1 = 1) TO 'out.csv' --",
  'id = 1 UNION ALL SELECT * FROM t',
  'id = 1 EXCEPT SELECT * FROM t',
  'id = 1 ORDER BY id',
  'id = 1 LIMIT 1',
  'id = 1 GROUP BY ALL',
  'id = 1 HAVING true',
  'id = 1 QUALIFY row_number() OVER () = 1',
  'id = 1 USING SAMPLE 10%',
  'id = 1 FOR UPDATE',
  '',
  '-- nothing',
  '/* nothing',
  'id = 1 /* open',
  'id = 1 )',
  "name = 'open",
  '\0',
  'id = 1 \0 OR true',
  "name = '\ud800'",
  // Other tables, files, programs, settings
  'id = (SELECT max(id) FROM t)',
  'id IN (SELECT id FROM t)',
  'EXISTS (SELECT 1)',
  'id = ANY (SELECT 1)',
  'id = ANY ([1, 2])',
  "EXISTS (FROM read_text('/etc/passwd'))",
  "name = (SELECT content FROM read_text('/etc/passwd'))",
  "name IN (FROM read_csv('/etc/passwd'))",
  "getenv('HOME') = name",
  "current_setting('threads') = name",
  "getvariable('x') = name",
  "nextval('s') = id",
  "query('SELECT 1') = id",
  'id = ARRAY (SELECT 1)[1]',
  // Not the same on each run, machine or shard
  'random() < 0.5',
  'x < random()',
  'setseed(0.5) IS NULL',
  "gen_random_uuid()::VARCHAR > 'a'",
  'uuid() IS NULL',
  'now() > ts',
  'ts < current_timestamp',
  'day < current_date',
  'day < today()',
  'ts < get_current_timestamp()',
  'txid_current() = id',
  'name = current_user',
  'current_database() = name',
  'current_query() = name',
  'version() = name',
  'sleep_ms(10000) IS NULL',
  'write_log(name) IS NULL',
  "error('x') IS NULL",
  'hash(name) % 10 = 1',
  // Of more than one row
  'count(*) > 1',
  'sum(id) > 1',
  'max(id) = id',
  'row_number() OVER () = 1',
  'lag(id) OVER (ORDER BY id) = 1',
  'grouping(id) = 0',
  'unnest(tags) = 1',
  // What is not a plain expression
  '* = 1',
  'COLUMNS(*) > 1',
  "COLUMNS('i.*') > 1",
  '$1 = id',
  '$name = id',
  '? = id',
  '#1 = 1',
  'DEFAULT = id',
  'len(list_filter(tags, lambda v: v = name)) > 1',
  'len(list_filter(tags, v -> v = name)) > 1',
  'len([v FOR v IN tags IF v = name]) > 1',
  "name -> 'a' = 1",
  "name COLLATE nocase = 'A'",
  'lower(DISTINCT name) = name',
  'lower(name ORDER BY id) = name',
  'lower(name) FILTER (WHERE ok) = name',
  'lower(string := name) = name',
  'system.main.lower(name) = name',
  'other.lower(name) = name',
  'row(id, x) = row(1, 2)',
  "{'a': id} = {'a': 1}",
  'TRY(id) = 1',
  // Types
  'id::other_type = 1',
  'id::a.b.c = 1',
  "name::JSON = '1'",
  "name::ENUM('a') = 'a'",
  'place::STRUCT(a INTEGER) IS NULL',
  'x::MAP(INTEGER, INTEGER) IS NULL',
  // Names
  't.id = 1',
  'main.t.id = 1',
  "place.city = 'a'",
  // What grows
  "repeat('x', 1000000000) = name",
  "lpad(name, 1000000000, 'x') = name",
  "replace(name, 'a', 'aaaaaaaaaa') = name",
  'len(range(1000000000)) = id',
  "length(format('{:1000000000}', name)) = 1",
  "length(printf('%1000000000d', id)) = 1",
  'id = 1e999',
  `${'NOT '.repeat(2_500)}ok`,
  `${'('.repeat(4_990)}ok`,
  // Wrong
  'lower(id) = 1',
  'name',
  'age',
  "day > 'yesterday'",
  'tags = 3',
  "regexp_matches(name, '[')",
  'id ==== 1',
  "'x'",
];

test.each(ATTACKS)('%s is refused', async (text) => {
  const failure = await refusal(text);
  // `current_date` and the like are names, which are no columns.
  expect(failure.code).toBe(
    /current_(date|timestamp|user)/.test(text) && failure.code === 'COLUMN_MISSING'
      ? 'COLUMN_MISSING'
      : 'WHERE_NOT_ALLOWED',
  );
  expect(failure.message).toMatch(/^input\.where/);
  expect(failure.message.length).toBeLessThan(400);
  expect(failure.place).toEqual({ field: 'input.where' });
});

const BENIGN: readonly string[] = [
  'id = 9007199254740993',
  'id > 100000000000000000',
  'ID = 0 OR aGE <> 2',
  'x > 0.1 AND x < 1e1',
  'x = 0.1e0',
  'f = 0.1e0',
  'f = 0.1',
  'x IS DISTINCT FROM 0.3',
  'price BETWEEN 0.125 AND 1.5',
  'price = 1.50',
  'x < 1e300 AND x > -1e-300',
  "name LIKE 'a%' AND name NOT LIKE '%bb'",
  "name ILIKE 'A%' OR name GLOB 'c*'",
  "name LIKE 'a!%' ESCAPE '!'",
  "name SIMILAR TO '[ab]+'",
  "name ~ 'a.*'",
  "regexp_matches(name, '^[cd]b')",
  "name IN ('a', 'bb', NULL)",
  'age NOT IN (1, 2)',
  'name IS NULL',
  'name IS NOT NULL AND NOT ok',
  'ok',
  'ok IS TRUE OR ok IS NOT FALSE',
  'true',
  'NULL',
  "day >= '2024-01-15' AND day < DATE '2024-02-01'",
  "day + INTERVAL 3 DAY > '2024-01-20'",
  "ts > TIMESTAMPTZ '2020-01-01 00:00:00+00'",
  "date_part('month', day) = 1 AND extract(day FROM day) > 3",
  "day::VARCHAR LIKE '2024-01-%'",
  'CASE WHEN age > 0 THEN ok ELSE age < -1 END',
  "CASE name WHEN 'a' THEN 1 ELSE 2 END = 1",
  'coalesce(age, 0) + 1 > abs(-2) * 2 - 3 % 2',
  'age // 2 = 1 OR age ** 2 = 4 OR -age = 3',
  'age & 1 = 1 AND abs(age) << 1 > 2',
  "upper(name) || 'x' = 'AX'",
  'substring(name, 1, 1) = left(name, 1)',
  "trim(BOTH 'b' FROM name) = 'a'",
  "position('b' IN name) = 2",
  "tags[2] = 'b'",
  "place['city'] = 'c'",
  "list_contains(tags, 'd')",
  'TRY_CAST(name AS INTEGER) IS NULL',
  'id::DECIMAL(38, 2) > 10',
  '"we""ird; --" = 1',
  "name = 'it''s; DROP TABLE t; --'",
  'id = 0 -- OR true',
  'id = /* OR true */ 0',
  'greatest(age, 1) = 1 AND nullif(age, 0) IS NULL',
  'NOT (age BETWEEN -1 AND 1)',
];

test.each(BENIGN)('%s keeps its meaning', async (text) => {
  const { sql } = await parseWhere(text, COLUMNS);
  expect(await rowsWhere(sql)).toBe(await rowsWhere(`(${text}\n)`));
  expect(sql).not.toContain('OR true');
});

test('the columns used are named once, as the input spells them', async () => {
  expect(
    (await parseWhere("AGE > 1 AND id = 1 OR age IS NULL AND place['city'] = 'a'", COLUMNS)).columns,
  ).toEqual(['Age', 'id', 'place']);
});

test('a column that is not there is named with a suggestion, and only columns of the input count', async () => {
  const failure = await refusal('nmae = 1');
  expect(failure.code).toBe('COLUMN_MISSING');
  expect(failure.message).toMatch(/nmae \(at character 1\).*Did you mean name\?/);
  expect((await refusal('rowid = 1')).code).toBe('COLUMN_MISSING');
  expect((await refusal('file_row_number = 1')).code).toBe('COLUMN_MISSING');
});

test('a name that fits two columns is refused', async () => {
  const columns = [
    { name: 'A', type: 'INTEGER' },
    { name: 'a', type: 'INTEGER' },
  ];
  expect((await refusal('a = 1', columns)).code).toBe('COLUMN_AMBIGUOUS');
});

test('positions are told in characters of what the user wrote', async () => {
  expect((await refusal("name = 'äöü€' AND random() > 0.5")).message).toContain(
    'random is not allowed (at character 19)',
  );
  expect((await refusal('id = = 1')).message).toContain('(at character 6)');
});

test('a long chain is no deep nesting, and a deep nesting is refused before it can hurt', async () => {
  expect((await parseWhere(Array(900).fill('age = 1').join(' OR '), COLUMNS)).columns).toEqual(['Age']);
  expect((await parseWhere(`age > ${Array(100).fill('1').join(' + ')}`, COLUMNS)).columns).toEqual(['Age']);
  for (const levels of [240, 260, 500, 900, 1_100, 1_900]) {
    expect((await refusal(`${'NOT '.repeat(levels)}random() > 1`)).code).toBe('WHERE_NOT_ALLOWED');
    if (levels > 250) expect((await refusal(`${'NOT '.repeat(levels)}ok`)).message).toMatch(/depth/);
    expect((await refusal(`${'abs('.repeat(levels)}random()${')'.repeat(levels)} > 1`)).code).toBe(
      'WHERE_NOT_ALLOWED',
    );
    expect((await refusal(`age = random()${' + 1'.repeat(levels)}`)).code).toBe('WHERE_NOT_ALLOWED');
  }
});

test('a condition without columns can be checked too', async () => {
  expect((await parseWhere('1 = 1', [])).columns).toEqual([]);
});

test('every function on the list gives the same for the same row', async () => {
  const reader = await connection.runAndReadAll(
    "SELECT function_name, bool_and(stability = 'CONSISTENT' AND has_side_effects IS NOT TRUE) FROM duckdb_functions() WHERE function_type = 'scalar' GROUP BY ALL",
  );
  const consistent = new Map(reader.getRows().map(([name, value]) => [String(name), value === true]));
  // Rewritten by the parser or the binder into other functions of the list.
  const rewritten = new Set(['nullif', 'position']);
  const doubtful = [...WHERE_FUNCTIONS].filter(
    (name) => consistent.get(name) !== true && !rewritten.has(name),
  );
  expect(doubtful).toEqual([]);
});

const number = fc.oneof(
  fc.integer().map(String),
  fc.bigInt({ min: -(2n ** 63n) + 1n, max: 2n ** 63n - 1n }).map(String),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
  fc.tuple(fc.integer({ min: 0, max: 9999 }), fc.integer({ min: 0, max: 999 })).map(([a, b]) => `${a}.${b}`),
  fc.constantFrom('id', 'Age', 'x', 'f', 'price', 'abs(age)', '"we""ird; --"', 'NULL'),
);
const text = fc.oneof(
  fc
    .string({ unit: fc.constantFrom(...'ab\'"%_;-- \\\n漢') })
    .map((value) => `'${value.replaceAll("'", "''")}'`),
  fc.constantFrom('name', 'upper(name)', 'tags[1]', "place['city']"),
);
const comparison = fc.constantFrom('=', '<>', '<', '<=', '>', '>=', 'IS DISTINCT FROM');
const leaf = fc.oneof(
  fc.tuple(number, comparison, number).map(([a, operator, b]) => `${a} ${operator} ${b}`),
  fc.tuple(text, comparison, text).map(([a, operator, b]) => `${a} ${operator} ${b}`),
  fc
    .tuple(text, fc.constantFrom('LIKE', 'NOT ILIKE'), text)
    .map(([a, operator, b]) => `${a} ${operator} ${b.replaceAll('\\', '')}`),
  fc
    .tuple(number, fc.array(number, { minLength: 1, maxLength: 3 }))
    .map(([a, list]) => `${a} NOT IN (${list.join(', ')})`),
  fc.constantFrom('ok', 'name IS NULL', "day < '2024-01-20'", 'ok IS NOT TRUE'),
);
const condition = fc.letrec<{ node: string }>((tie) => ({
  node: fc.oneof(
    { depthSize: 'small' },
    leaf,
    fc
      .tuple(tie('node'), fc.constantFrom('AND', 'OR'), tie('node'))
      .map(([a, operator, b]) => `(${a}) ${operator} ${b}`),
    tie('node').map((a) => `NOT (${a})`),
    fc.tuple(tie('node'), leaf, leaf).map(([a, b, c]) => `CASE WHEN ${a} THEN ${b} ELSE ${c} END`),
  ),
})).node;

test('harmless conditions are accepted, and choose the very rows that they would choose as they stand', async () => {
  let accepted = 0;
  await fc.assert(
    fc.asyncProperty(condition, async (given) => {
      const expected = await rowsWhere(`(${given})`).catch((error: Error) => error);
      const outcome = await parseWhere(given, COLUMNS).catch((error: unknown) => error);
      if (expected instanceof Error) return;
      accepted += 1;
      expect(outcome).not.toBeInstanceOf(Error);
      expect(await rowsWhere((outcome as { sql: string }).sql)).toBe(expected);
    }),
    { numRuns: 150 },
  );
  expect(accepted).toBeGreaterThan(75);
}, 60_000);
