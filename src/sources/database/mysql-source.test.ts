import { existsSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '../../../scripts/services/free-port.ts';
import { type MariadbServer, startMariadb } from '../../../scripts/services/mariadb.ts';
import { requireService } from '../../../scripts/services/require-service.ts';
import { type DatabaseBench, databaseBench } from './database-bench.ts';

const started = await startMariadb();
const skipped = requireService('MariaDB', started);

describe.skipIf(skipped !== null)(`MariaDB${skipped === null ? '' : ` (skipped: ${skipped})`}`, () => {
  const server = started as MariadbServer;
  const sql = async (text: string, values: unknown[] = []) => (await server.admin.query(text, values))[0];
  let bench: DatabaseBench;
  const asReader = () =>
    `{ kind: mysql, url: "mysql://reader@127.0.0.1:${server.port}/shop", password: { env: TEST_READER } }`;

  beforeAll(async () => {
    process.env.TEST_READER = 'reader-password';
    await sql(`
      CREATE USER reader@'127.0.0.1' IDENTIFIED BY 'reader-password';
      CREATE USER reader@'localhost' IDENTIFIED BY 'reader-password';
      CREATE TABLE numbers (id INT PRIMARY KEY) ENGINE = InnoDB;
      INSERT INTO numbers SELECT seq FROM seq_1_to_1000;
      CREATE TABLE \`odd \`\`name\` (id INT, half DOUBLE);
      INSERT INTO \`odd \`\`name\` VALUES (0, 0), (1, 0.5), (2, 1);
      CREATE TABLE hidden (id INT);
      CREATE TABLE moving (id INT PRIMARY KEY, v INT) ENGINE = InnoDB;
      INSERT INTO moving SELECT seq, 0 FROM seq_1_to_200000;
      GRANT SELECT, INSERT ON shop.numbers TO reader@'127.0.0.1', reader@'localhost';
      GRANT SELECT ON shop.\`odd \`\`name\` TO reader@'127.0.0.1', reader@'localhost';
      GRANT SELECT ON shop.moving TO reader@'127.0.0.1', reader@'localhost';
      GRANT SELECT, CREATE ON shop.nasty TO reader@'127.0.0.1', reader@'localhost';`);
    bench = await databaseBench(asReader);
  });
  afterAll(async () => {
    await bench[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });

  test('a table by an odd name, and only some of its columns', async () => {
    const { columns, rows, snapshot } = await bench.pin({ table: '"odd `name"', columns: ['half'] });
    expect({ columns, rows }).toEqual({ columns: ['half DOUBLE'], rows: [['0.0'], ['0.5'], ['1.0']] });
    expect(snapshot.files[0]?.original?.database).toMatchObject({
      server: expect.stringMatching(/^MariaDB 1\d/),
      user: expect.stringMatching(/^reader@/),
      database: 'shop',
    });
  });

  describe('types, by what the server itself prints', () => {
    const text = fc.string({ unit: 'binary' });
    const date = fc
      .date({ min: new Date('1000-01-01'), max: new Date('9999-12-31'), noInvalidDate: true })
      .map((value) => value.toISOString().replace('T', ' ').replace('Z', ''));
    const stamp = fc
      .date({ min: new Date('1971-01-01'), max: new Date('2037-12-31'), noInvalidDate: true })
      .map((value) => value.toISOString().replace('T', ' ').replace('Z', ''));
    const TYPES: readonly [
      name: string,
      carried: string,
      values: readonly (string | Buffer)[],
      more: fc.Arbitrary<string | Buffer>,
    ][] = [
      ['TINYINT', 'TINYINT', ['-128', '127'], fc.integer({ min: -128, max: 127 }).map(String)],
      ['TINYINT(1)', 'TINYINT', ['0', '1', '2'], fc.integer({ min: -128, max: 127 }).map(String)],
      ['TINYINT UNSIGNED', 'UTINYINT', ['255'], fc.integer({ min: 0, max: 255 }).map(String)],
      ['SMALLINT UNSIGNED', 'USMALLINT', ['65535'], fc.integer({ min: 0, max: 65535 }).map(String)],
      [
        'MEDIUMINT',
        'INTEGER',
        ['-8388608', '8388607'],
        fc.integer({ min: -8388608, max: 8388607 }).map(String),
      ],
      ['MEDIUMINT UNSIGNED', 'UINTEGER', ['16777215'], fc.integer({ min: 0, max: 16777215 }).map(String)],
      ['INT', 'INTEGER', ['-2147483648', '2147483647'], fc.integer().map(String)],
      ['INT UNSIGNED', 'UINTEGER', ['4294967295'], fc.integer({ min: 0, max: 4294967295 }).map(String)],
      [
        'BIGINT',
        'BIGINT',
        ['-9223372036854775808', '9223372036854775807', '9007199254740993'],
        fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String),
      ],
      [
        'BIGINT UNSIGNED',
        'UBIGINT',
        ['18446744073709551615', '9223372036854775808'],
        fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(String),
      ],
      [
        'DECIMAL(38,10)',
        'DECIMAL(38,10)',
        ['-9999999999999999999999999999.9999999999', '0.0000000001'],
        fc.stringMatching(/^-?[1-9][0-9]{0,27}$/),
      ],
      ['DECIMAL(5,0) UNSIGNED', 'DECIMAL(5,0)', ['99999'], fc.integer({ min: 0, max: 99999 }).map(String)],
      [
        'DECIMAL(65,2)',
        'DECIMAL(38,2)',
        ['999999999999999999999999999999999999.25'],
        fc.stringMatching(/^[1-9][0-9]{0,30}$/),
      ],
      [
        'DOUBLE',
        'DOUBLE',
        ['5e-324', '1.7976931348623157e308', '0.1'],
        fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
      ],
      [
        'VARCHAR(2000)',
        'VARCHAR',
        ['', '\\N', '\\.', '"', 'a\nb', ',', 'NULL', ' ', '\0', '\u{1F600}', "'", '\\'],
        text,
      ],
      ['TEXT', 'VARCHAR', [], text],
      ['CHAR(5)', 'VARCHAR', ['a'], fc.stringMatching(/^[a-z]{0,5}$/)],
      [
        'VARBINARY(300)',
        'BLOB',
        [Buffer.from([0, 255]), Buffer.alloc(0)],
        fc.uint8Array().map((bytes) => Buffer.from(bytes)),
      ],
      ['BLOB', 'BLOB', [], fc.uint8Array().map((bytes) => Buffer.from(bytes))],
      ['DATE', 'DATE', ['2024-02-29', '9999-12-31'], date.map((value) => value.slice(0, 10))],
      ['DATETIME(6)', 'TIMESTAMP', ['2024-02-29 12:00:00.000001', '9999-12-31 23:59:59.999999'], date],
      ['DATETIME', 'TIMESTAMP', ['2024-02-29 00:00:00'], date.map((value) => value.slice(0, 19))],
      ['TIMESTAMP(3)', 'TIMESTAMP WITH TIME ZONE', ['2024-03-31 02:30:00.5'], stamp],
      ['TIME(6)', 'TIME', ['00:00:00.000001', '23:59:59.999999'], date.map((value) => value.slice(11))],
      ['YEAR', 'USMALLINT', ['1901', '2155'], fc.integer({ min: 1901, max: 2155 }).map(String)],
      [`ENUM('sad', 'o"k, \\\\N')`, 'VARCHAR', ['sad', 'o"k, \\N'], fc.constantFrom('sad', 'o"k, \\N')],
      [`SET('a', 'b')`, 'VARCHAR', ['', 'a,b'], fc.constantFrom('a', 'b', 'a,b')],
      ['JSON', 'VARCHAR', ['{"a": [1,  2]}', 'null', '"x"'], fc.json()],
    ];
    const alike: Readonly<Record<string, (text: string) => string>> = {
      DOUBLE: (value) => String(Number(value)),
      DECIMAL: (value) => value.replace(/(\.\d*?)0+$/, '$1').replace(/\.$/, ''),
      TIMESTAMP: (value) =>
        value
          .replace(/\+00$/, '')
          .replace(/(\.\d*?)0+$/, '$1')
          .replace(/\.$/, ''),
      TIME: (value) => value.replace(/(\.\d*?)0+$/, '$1').replace(/\.$/, ''),
      VARCHAR: (value) => value.replace(/^\ufeff/, ''),
    };
    const normal = (carried: string, value: string | null) =>
      value === null ? null : (alike[carried.replace(/(\(| WITH).*/, '')] ?? String)(value);

    test.each(TYPES)('%s is carried as %s', async (name, carried, values, more) => {
      const sampled = fc.sample(more, { numRuns: 200 - values.length, seed: 7 });
      const all = [null, ...values, ...sampled];
      await sql(
        `SET time_zone = '+00:00'; DROP TABLE IF EXISTS nasty; CREATE TABLE nasty (id INT PRIMARY KEY, v ${name} NULL DEFAULT NULL) CHARACTER SET utf8mb4`,
      );
      await sql('INSERT INTO nasty VALUES ?', [all.map((value, id) => [id, value])]);
      const { columns, rows } = await bench.pin({ query: 'SELECT id, v FROM nasty ORDER BY id' });
      const printed = (await sql(
        `SELECT ${carried === 'BLOB' ? 'LOWER(HEX(v))' : 'CAST(v AS CHAR)'} AS v FROM nasty ORDER BY id`,
      )) as { v: string | null }[];
      expect(columns).toEqual(['id INTEGER', `v ${carried}`]);
      const found = rows.map((row) => {
        const value = typeof row === 'string' ? row : (row[1] ?? null);
        return carried === 'BLOB' && value !== null ? hexOf(value) : normal(carried, value);
      });
      expect(found).toEqual(printed.map(({ v }) => normal(carried, v)));
      expect(found).toHaveLength(201);
    });

    test('a FLOAT keeps all its bits, which the server does not print', async () => {
      const floats = fc.sample(fc.float({ noNaN: true, noDefaultInfinity: true }), { numRuns: 200, seed: 7 });
      await sql('DROP TABLE IF EXISTS nasty; CREATE TABLE nasty (id INT PRIMARY KEY, v FLOAT)');
      await sql('INSERT INTO nasty VALUES ?', [floats.map((value, id) => [id, value])]);
      const { rows } = await bench.pin({ query: 'SELECT v FROM nasty ORDER BY id' });
      const exact = (await sql('SELECT v + 0e0 AS v FROM nasty ORDER BY id')) as { v: number }[];
      expect(rows.map(([v]) => Math.fround(Number(v)) + 0)).toEqual(exact.map(({ v }) => Math.fround(v) + 0));
    });

    test('bits are a number', async () => {
      const { columns, rows } = await bench.pin({
        query: `SELECT b'1' AS a, CAST(b'1' AS UNSIGNED) AS b FROM numbers WHERE id = 1`,
      });
      expect(columns[1]).toMatch(/^b /);
      expect(rows).toHaveLength(1);
      await sql(
        `DROP TABLE IF EXISTS nasty; CREATE TABLE nasty (v BIT(64)); INSERT INTO nasty VALUES (b'${'1'.repeat(64)}'), (b'0'), (NULL)`,
      );
      expect(await bench.pin({ query: 'SELECT v FROM nasty' })).toMatchObject({
        columns: ['v UBIGINT'],
        rows: [['18446744073709551615'], ['0'], [null]],
      });
    });

    test.each([
      ['a zero date', 'DATE', '0000-00-00', /^has "0000-00-00" in v, which is no DATE/],
      ['a zero time', 'DATETIME', '0000-00-00 00:00:00', /^has "0000-00-00 00:00:00" in v/],
      ['a duration beyond a day', 'TIME', '-25:00:00', /^has "-25:00:00" in v, which is no TIME/],
    ])('%s rejects its row, which keeps its key', async (_, type, value, problem) => {
      await sql(`SET sql_mode = ''; DROP TABLE IF EXISTS nasty; CREATE TABLE nasty (id INT, v ${type})`);
      await sql(`INSERT INTO nasty VALUES (1, NULL), (2, '${value}')`);
      const { rows, snapshot } = await bench.pin({ query: 'SELECT id, v FROM nasty ORDER BY id' });
      expect(rows[0]).toEqual(['1', null]);
      expect(rows[1]).toMatch(problem);
      expect(snapshot.files[0]?.original?.malformed).toBe(1);
    });

    test('what has no exact type is refused by the name of its column', async () => {
      expect(await bench.refusal({ query: 'SELECT POINT(1, 2) AS place' })).toMatch(
        /^COLUMN_TYPE Column "place"/,
      );
    });
  });

  test('rows that change while the pin streams are not seen', async () => {
    await sql(`SELECT GET_LOCK('pin', 0)`);
    const pinning = bench.pin({
      query: `SELECT m.id, m.v FROM (SELECT GET_LOCK('pin', 60) AS l) l JOIN moving m ORDER BY m.id`,
    });
    await expect
      .poll(
        async () =>
          ((await sql(`SELECT 1 FROM information_schema.processlist WHERE state = 'User lock'`)) as unknown[])
            .length,
        { interval: 20, timeout: 20_000 },
      )
      .toBe(1);
    await sql('UPDATE moving SET v = 1');
    await sql(`INSERT INTO moving VALUES (0, 1); SELECT RELEASE_LOCK('pin')`);
    const { snapshot, rows } = await pinning;
    expect(snapshot.rows).toBe(200_000);
    expect(rows.every((row) => row[1] === '0')).toBe(true);
  });

  describe('what is no single SELECT that only reads is refused, and nothing is written', () => {
    test.each([
      ['a syntax error, with its place', 'SELECT id\nFROM numbers WHERE', /^QUERY_INVALID .*syntax/],
      [
        'a syntax error, with its place (2)',
        'SELECT id FORM numbers WHERE x',
        /^QUERY_INVALID .*line 1, column \d+: .*near/,
      ],
      ['a missing table', 'SELECT * FROM numbres', /^(QUERY_INVALID|SOURCE_UNREADABLE) .*numbres/],
      ['a missing column', 'SELECT idd FROM numbers', /^QUERY_INVALID .*column 8: Unknown column 'idd'/],
      ['two statements', 'SELECT 1 AS a; SELECT 2 AS b', /^QUERY_INVALID .*near 'SELECT 2/],
      ['INSERT', 'INSERT INTO numbers VALUES (0)', /^QUERY_FORBIDDEN .*READ ONLY/],
      ['INSERT ... RETURNING', 'INSERT INTO numbers VALUES (0) RETURNING id', /^QUERY_FORBIDDEN/],
      ['DROP', 'DROP TABLE numbers', /^QUERY_FORBIDDEN/],
      ['INTO OUTFILE', `SELECT 1 AS a INTO OUTFILE '/tmp/batchwright-stolen'`, /^SOURCE_UNREADABLE .*FILE/],
      [
        'INTO OUTFILE behind parentheses',
        `(SELECT 1 AS a) INTO OUTFILE '/tmp/batchwright-stolen'`,
        /^SOURCE_UNREADABLE .*FILE/,
      ],
      ['INTO a variable', 'SELECT 1 INTO @a', /^QUERY_FORBIDDEN/],
      ['a pasted end', `SELECT 1 AS a) AS x INTO OUTFILE '/tmp/x' -- `, /^QUERY_INVALID/],
      ['SHOW', 'SHOW TABLES', /^QUERY_FORBIDDEN/],
      ['SET', `SET GLOBAL max_connections = 1`, /^QUERY_FORBIDDEN|^SOURCE_UNREADABLE/],
      ['CALL', 'CALL nothing()', /^QUERY_/],
      ['columns of one name', 'SELECT 1 AS a, 2 AS A', /^COLUMN_AMBIGUOUS/],
      ['a table that may not be read', 'SELECT * FROM hidden', /^SOURCE_UNREADABLE/],
      ['a parameter', 'SELECT ? AS a', /^QUERY_/],
      ['a row that fails', `SELECT (SELECT id FROM numbers) AS a`, /^QUERY_FAILED .*more than 1 row/],
    ])('%s', async (_, query, refusal) => {
      expect(await bench.refusal({ query })).toMatch(refusal);
      expect(await sql('SELECT COUNT(*) AS n FROM numbers')).toEqual([{ n: 1_000 }]);
    });

    test('a user who may write files writes none, and changes no setting', async () => {
      await using mighty = await databaseBench(
        () => `{ kind: mysql, url: "mysql://root@/shop?socket=${server.socket}" }`,
      );
      const target = join(mighty.folder, 'stolen');
      for (const query of [
        `SELECT 1 AS a INTO OUTFILE '${target}'`,
        `(SELECT 1 AS a) INTO OUTFILE '${target}'`,
        `SELECT 1 AS a INTO DUMPFILE '${target}'`,
        'SET GLOBAL max_connections = 7',
        'DROP TABLE numbers',
        'KILL 1',
      ])
        expect(await mighty.refusal({ query })).toMatch(/^QUERY_FORBIDDEN/);
      expect(existsSync(target)).toBe(false);
      expect(await sql('SELECT COUNT(*) AS n FROM numbers')).toEqual([{ n: 1_000 }]);
    });

    test('a file of the server, without the right to read files, is null', async () => {
      expect((await bench.pin({ query: `SELECT LOAD_FILE('/etc/passwd') AS a` })).rows).toEqual([[null]]);
    });
  });

  test('a query that never ends', async () => {
    const query = 'SELECT COUNT(*) AS n FROM moving a, moving b, moving c WHERE a.v + b.v + c.v = 7';
    expect(await bench.refusal({ query, timeout_seconds: 0.5 })).toMatch(/^QUERY_TIMEOUT/);
  });

  test('a connection that is cut half way is no short input', async () => {
    await sql(`SELECT GET_LOCK('cut', 0)`);
    const pinning = bench.refusal({
      query: `SELECT id, 0 AS l FROM moving UNION ALL SELECT 0, GET_LOCK('cut', 60)`,
    });
    await expect
      .poll(
        async () => {
          const [found] = (await sql(
            `SELECT id FROM information_schema.processlist WHERE state = 'User lock'`,
          )) as { id: number }[];
          if (found !== undefined) await sql(`KILL CONNECTION ${found.id}`);
          return found !== undefined;
        },
        { interval: 20, timeout: 20_000 },
      )
      .toBe(true);
    expect(await pinning).toMatch(/^CONNECTION_FAILED/);
    await sql(`SELECT RELEASE_LOCK('cut')`);
  });

  test('a wrong password, a database or server that is not there', async () => {
    const refusal = async (connection: string) => {
      await using other = await databaseBench(() => connection);
      return await other.refusal({ query: 'SELECT 1 AS a' });
    };
    process.env.TEST_WRONG = 'canary-secret';
    const wrong = await refusal(asReader().replace('TEST_READER', 'TEST_WRONG'));
    expect(wrong).toMatch(/^CONNECTION_REFUSED .*Access denied/);
    expect(wrong).not.toContain('canary');
    expect(await refusal(asReader().replace('/shop', '/none'))).toMatch(/^CONNECTION_REFUSED/);
    expect(await refusal(`{ kind: mysql, url: "mysql://u@127.0.0.1:${await freePort()}/d" }`)).toMatch(
      /^CONNECTION_FAILED .*ECONNREFUSED/,
    );
    expect(await refusal(asReader().replace('/shop', '/shop?ssl-mode=REQUIRED'))).toMatch(
      /^CONNECTION_REFUSED/,
    );
  });
});

/** Bytes as DuckDB prints them, as hex. */
function hexOf(printed: string): string {
  return printed.replaceAll(/\\x([0-9A-F]{2})|[\s\S]/g, (all, hex: string | undefined) =>
    (hex ?? Buffer.from(all).toString('hex')).toLowerCase(),
  );
}
