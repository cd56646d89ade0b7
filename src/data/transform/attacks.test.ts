import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { Failure } from '../../core/errors.ts';
import { openTransformDatabase } from './transform-database.ts';
import { type TransformBench, transformBench } from './transform-fixture.ts';

vi.setConfig({ testTimeout: 60_000 });

let bench: TransformBench;
beforeAll(async () => {
  bench = await transformBench();
});
afterAll(() => bench[Symbol.asyncDispose]());

const INPUT = `SELECT i AS id, i::DOUBLE AS x, TIMESTAMP '2025-01-01' AS since FROM range(10) t(i)`;
const SIDE = { features: { sql: 'SELECT i AS id, i * 2 AS f FROM range(10) t(i)' } };

async function refusal(select: string): Promise<Failure> {
  const before = bench.files();
  const failure = await bench.prepare(INPUT, SIDE, select).then(
    () => null,
    (error: unknown) => error,
  );
  expect(failure, select).toBeInstanceOf(Failure);
  expect(bench.files(), 'files').toEqual(before);
  expect(readFileSync(`${bench.folder}/secret.csv`, 'utf8')).toBe('secret\n42\n');
  return failure as Failure;
}

const F = 'FORBIDDEN';
/** `$` stands for a folder that is none of the statement's business. */
const ATTACKS: readonly (readonly [code: 'FORBIDDEN' | 'INVALID', text: string, names: RegExp])[] = [
  // Other statements
  [F, `COPY input TO '$/stolen.csv'`, /no SELECT/],
  [F, `COPY (SELECT * FROM input) TO '$/stolen.parquet' (FORMAT parquet)`, /no SELECT/],
  [F, `COPY input FROM '$/secret.csv'`, /no SELECT/],
  [F, `CREATE TABLE t AS SELECT * FROM input`, /no SELECT/],
  [F, `CREATE OR REPLACE VIEW input AS SELECT 1 AS id`, /no SELECT/],
  [F, `CREATE MACRO now() AS 1`, /no SELECT/],
  [F, `INSERT INTO input VALUES (1)`, /no SELECT/],
  [F, `UPDATE input SET x = 0`, /no SELECT/],
  [F, `DELETE FROM input`, /no SELECT/],
  [F, `DROP VIEW input`, /no SELECT/],
  [F, `ATTACH '$/x.db'`, /no SELECT/],
  [F, `ATTACH ':memory:' AS other`, /no SELECT/],
  [F, `USE memory`, /no SELECT/],
  [F, `SET memory_limit = '100GB'`, /no SELECT/],
  [F, `RESET memory_limit`, /no SELECT/],
  [F, `PRAGMA enable_external_access`, /no SELECT/],
  [F, `PRAGMA database_list`, /no SELECT|not allowed/],
  [F, `INSTALL httpfs`, /no SELECT/],
  [F, `LOAD httpfs`, /no SELECT/],
  [F, `CALL pragma_version()`, /no SELECT|not allowed/],
  [F, `EXPORT DATABASE '$/dump'`, /no SELECT/],
  [F, `CHECKPOINT`, /no SELECT/],
  [F, `BEGIN TRANSACTION`, /no SELECT/],
  [F, `PREPARE p AS SELECT 1`, /no SELECT/],
  [F, `EXPLAIN ANALYZE SELECT * FROM input`, /no SELECT/],
  [F, `VACUUM`, /no SELECT/],
  // Several statements, and ways out of what stands around the text
  [F, `SELECT * FROM input; SELECT 1`, /2 statements/],
  [F, `SELECT * FROM input; COPY input TO '$/stolen.csv'`, /no SELECT/],
  [F, `SELECT * FROM input;`, /statement of its own/],
  ['INVALID', `SELECT * FROM input) TO '$/stolen.csv' (FORMAT csv); --`, /line 1, column 20/],
  ['INVALID', `SELECT 1) AS a, (SELECT 2`, /syntax error/],
  ['INVALID', `SELECT 1 /* never closed`, /comment|syntax/i],
  ['INVALID', `SELECT 1\0; DROP VIEW input`, /valid text/],
  // Other files and tables
  [F, `SELECT * FROM '$/secret.csv'`, /no table .*secret\.csv/],
  [F, `SELECT * FROM "$/secret.csv"`, /no table/],
  [F, `WITH "$/secret.csv" AS (SELECT 1) SELECT * FROM "$/secret.csv"`, /no plain word/],
  [F, `SELECT * FROM read_csv('$/secret.csv')`, /read_csv/],
  [F, `SELECT * FROM read_csv_auto('$/secret.csv')`, /read_csv_auto/],
  [F, `SELECT * FROM read_parquet('$/*.parquet')`, /read_parquet/],
  [F, `SELECT * FROM parquet_scan('$/x.parquet')`, /parquet_scan/],
  [F, `SELECT * FROM read_json('$/x.json')`, /read_json/],
  [F, `SELECT * FROM read_text('/etc/passwd')`, /read_text/],
  [F, `SELECT * FROM read_blob('/proc/self/environ')`, /read_blob/],
  [F, `SELECT * FROM glob('/*')`, /glob/],
  [F, `SELECT * FROM sniff_csv('$/secret.csv')`, /sniff_csv/],
  [F, `SELECT * FROM parquet_metadata('$/x.parquet')`, /parquet_metadata/],
  [F, `SELECT (SELECT content FROM read_text('$/secret.csv')) AS x FROM input`, /read_text/],
  [F, `SELECT * FROM input WHERE id IN (SELECT size FROM read_blob('$/secret.csv'))`, /read_blob/],
  [F, `WITH t AS (SELECT * FROM read_text('$/secret.csv')) SELECT * FROM input`, /read_text/],
  [F, `SELECT * FROM input UNION ALL SELECT * FROM read_text('$/secret.csv')`, /read_text/],
  [F, `SELECT * FROM input, LATERAL (SELECT * FROM read_text('$/secret.csv'))`, /read_text/],
  [F, `SELECT * FROM input ORDER BY (SELECT max(size) FROM read_text('$/secret.csv'))`, /read_text/],
  [F, `SELECT id FROM input GROUP BY id HAVING (SELECT true FROM read_text('$/secret.csv'))`, /read_text/],
  [F, `SELECT sum(x) OVER (ORDER BY (SELECT 1 FROM read_text('/etc/passwd'))) AS x FROM input`, /read_text/],
  [F, `SELECT * FROM input LIMIT (SELECT max(size) FROM read_text('/etc/passwd'))`, /read_text/],
  [
    F,
    `SELECT list_transform([1], lambda i: (SELECT 1 FROM read_text('/etc/passwd'))) AS x FROM input`,
    /read_text/,
  ],
  [F, `SELECT * FROM query('COPY input TO ''$/stolen.csv''')`, /query/],
  [F, `SELECT * FROM query_table('input')`, /query_table/],
  [F, `SELECT * FROM json_execute_serialized_sql('{}')`, /json_execute/],
  [F, `SELECT * FROM _batchwright_input`, /no table/],
  [F, `SELECT * FROM memory.main.input`, /no table "memory\.main\.input"/],
  [F, `SELECT * FROM information_schema.tables`, /no table/],
  [F, `SELECT * FROM sqlite_master`, /no table/],
  [F, `SELECT * FROM duckdb_settings()`, /duckdb_settings/],
  [F, `SELECT * FROM duckdb_secrets()`, /duckdb_secrets/],
  [F, `SELECT * FROM pragma_database_list`, /no table/],
  [F, `SHOW TABLES`, /SHOW/],
  [F, `DESCRIBE input`, /SHOW, DESCRIBE/],
  [F, `SUMMARIZE input`, /SUMMARIZE/],
  // What tells of the machine
  [F, `SELECT getenv('HOME') AS x`, /getenv/],
  [F, `SELECT current_setting('temp_directory') AS x`, /current_setting/],
  [F, `SELECT getvariable('x') AS x`, /getvariable/],
  [F, `SELECT current_query() AS x`, /current_query/],
  [F, `SELECT version() AS x`, /version/],
  [F, `SELECT write_log('x') AS x`, /write_log/],
  [F, `SELECT sleep_ms(100000) AS x`, /sleep_ms/],
  [F, `SELECT pg_sleep(100000) AS x`, /pg_sleep/],
  // What gives another answer each time
  [F, `SELECT random() AS x`, /random .*each time/],
  [F, `SELECT id, RANDOM() AS x FROM input`, /random .*each time/],
  [F, `SELECT uuid() AS x`, /uuid/],
  [F, `SELECT setseed(0.5) AS x`, /setseed/],
  [F, `SELECT nextval('s') AS x`, /nextval/],
  [F, `SELECT system.main.now() AS x`, /now is not allowed/],
  [F, `SELECT age(since) AS x FROM input`, /age/],
  [F, `SELECT * FROM input TABLESAMPLE 10%`, /sample/],
  [F, `SELECT * FROM input USING SAMPLE 3 ROWS`, /sample/],
  [F, `SELECT $1 AS x`, /parameter/],
];

describe('SQL that is more than a SELECT over the given tables is refused by name, and no file is touched', () => {
  test.each(ATTACKS)('%s %s', async (code, text, names) => {
    const failure = await refusal(text.replaceAll('$/', `${bench.folder}/`));
    expect(`${failure.code} ${failure.message}`).toMatch(new RegExp(`^TRANSFORM_${code} input\\.transform`));
    expect(failure.message).toMatch(names);
    expect(failure.next).not.toBe('');
  });
});

describe('a mistake is shown where it stands', () => {
  test.each([
    [`SELECT 'ßé😀' AS t,\n  'ü' x y FROM input`, /line 2, column 9: syntax error/],
    [`SELECT 'ßé😀' AS t, xx FROM input`, /line 1, column 20: Referenced column "xx"/],
    [`SELECT 'ßé😀', (SELECT 1 FROM glob('*'))`, /line 1, column 30/],
  ])('also behind letters of several bytes: %s', async (text, names) => {
    expect((await refusal(text)).message).toMatch(names);
  });
});

test('SQL that needs more memory than the job may have fails by name', async () => {
  const failure = await bench
    .prepare(INPUT, {}, 'SELECT len(list(range)) AS x FROM range(60000000)', {
      settings: { memoryLimitMb: 64 },
    })
    .catch((error: unknown) => error);
  expect(failure).toMatchObject({
    code: 'TRANSFORM_FAILED',
    message: expect.stringContaining('more than the 64 MiB of memory'),
  });
});

describe('the engine itself shuts out what the check of the text would let pass', () => {
  test('a view of another file cannot be read, a file outside cannot be written', async () => {
    const settings = { threads: 1, memoryLimitMb: 128, tempDir: `${bench.folder}/../temp` };
    await using database = await openTransformDatabase([], [`${bench.folder}/allowed.csv`], 0, settings);
    for (const statement of [
      `SELECT * FROM read_csv('${bench.folder}/secret.csv')`,
      `SELECT * FROM '${bench.folder}/secret.csv'`,
      `COPY (SELECT 1) TO '${bench.folder}/stolen.csv'`,
      `ATTACH '${bench.folder}/x.db'`,
      `SET enable_external_access = true`,
      `SET memory_limit = '100GB'`,
      `INSTALL httpfs`,
      `LOAD httpfs`,
    ])
      await expect(database.connection.run(statement), statement).rejects.toThrow();
    expect(bench.files().filter((file) => !file.endsWith('secret.csv'))).toEqual([]);
  });
});

describe('SQL that never ends', () => {
  const ENDLESS = [
    `WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n FROM t) SELECT count(*)::DOUBLE AS x FROM t`,
    `WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n > 0) SELECT n AS x FROM t WHERE n < 0`,
    `SELECT sum(a.range * b.range)::DOUBLE AS x FROM range(10000000) a, range(10000000) b WHERE a.range % 7 <> b.range % 5`,
    `SELECT count(*) AS x FROM input a, input b, input c, input d, input e, input f, input g, input h, input i, input j, input k, input l WHERE sin(a.x + l.x) > 2`,
  ];
  test.each(ENDLESS)(
    'is stopped when the job is, or for want of memory, and leaves nothing: %s',
    async (select) => {
      const before = bench.files();
      const stop = new AbortController();
      const reason = new Failure('WORKER_LOST', 'The lease of the task was lost.');
      const timer = setTimeout(() => stop.abort(reason), 1_500);
      const outcome = await bench
        .prepare(INPUT, {}, select, { signal: stop.signal, settings: { memoryLimitMb: 128 } })
        .catch((error: unknown) => error);
      clearTimeout(timer);
      expect(outcome).toBeInstanceOf(Failure);
      expect(['WORKER_LOST', 'TRANSFORM_FAILED', 'DISK_FULL']).toContain((outcome as Failure).code);
      expect(
        bench.files().filter((file) => !before.includes(file) && !/\/out\/\d+\.parquet$/.test(file)),
      ).toEqual([]);
    },
  );
});
