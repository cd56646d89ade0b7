import { existsSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '../../../scripts/services/free-port.ts';
import { type PostgresServer, startPostgres } from '../../../scripts/services/postgres.ts';
import { requireService } from '../../../scripts/services/require-service.ts';
import { type DatabaseBench, databaseBench } from './database-bench.ts';

const started = await startPostgres();
const skipped = requireService('PostgreSQL', started);

describe.skipIf(skipped !== null)(`PostgreSQL${skipped === null ? '' : ` (skipped: ${skipped})`}`, () => {
  const server = started as PostgresServer;
  let bench: DatabaseBench;
  let admin: pg.Client;
  const url = (user: string) => `postgres://${user}@127.0.0.1:${server.port}/postgres`;
  const asReader = () => `{ kind: postgres, url: "${url('reader')}", password: { env: TEST_READER } }`;

  beforeAll(async () => {
    process.env.TEST_READER = 'reader-password';
    process.env.TEST_ADMIN = server.password;
    admin = new pg.Client({
      host: '127.0.0.1',
      port: server.port,
      user: 'postgres',
      password: server.password,
      database: 'postgres',
    });
    await admin.connect();
    await admin.query(`
      CREATE ROLE reader LOGIN PASSWORD 'reader-password';
      CREATE SCHEMA shop;
      CREATE TABLE shop."Odd ""name" (id int PRIMARY KEY, half float8);
      INSERT INTO shop."Odd ""name" SELECT i, i / 2.0 FROM generate_series(0, 2) i;
      CREATE TABLE numbers AS SELECT i::int AS id FROM generate_series(1, 1000) i;
      CREATE TABLE big AS SELECT i AS id, repeat('x', 200) AS text FROM generate_series(1, 300000) i;
      CREATE TABLE hidden (id int);
      CREATE SEQUENCE counter;
      CREATE FUNCTION writes() RETURNS int LANGUAGE plpgsql AS $$ BEGIN INSERT INTO numbers VALUES (0); RETURN 1; END $$;
      GRANT USAGE ON SCHEMA shop TO reader;
      GRANT SELECT ON numbers, big, shop."Odd ""name" TO reader;
      GRANT SELECT, UPDATE ON SEQUENCE counter TO reader;
      GRANT INSERT ON numbers TO reader;`);
    bench = await databaseBench(asReader);
  });
  afterAll(async () => {
    await bench[Symbol.asyncDispose]();
    await admin.end();
    await server[Symbol.asyncDispose]();
  });

  test('where rows came from is told, with the state of the server, and never the password', async () => {
    const { snapshot } = await bench.pin({ query: 'SELECT id FROM numbers ORDER BY id' });
    const [file] = snapshot.files;
    expect(snapshot.rows).toBe(1_000);
    expect(file?.original).toMatchObject({ path: 'connection db', key: 'db/000000', malformed: 0 });
    expect(file?.original?.database).toMatchObject({
      connection: 'db',
      server: expect.stringMatching(/^PostgreSQL \d+/),
      user: 'reader',
      database: 'postgres',
      marks: {
        snapshot: expect.stringMatching(/^\d+:\d+:/),
        lsn: expect.stringMatching(/^[0-9A-F]+\/[0-9A-F]+$/),
      },
    });
    expect(Math.abs((file?.original?.database?.snapshotMs ?? 0) - Date.now())).toBeLessThan(60_000);
    expect(JSON.stringify(snapshot)).not.toContain('reader-password');
  });

  test('a table by an odd name, and only some of its columns', async () => {
    expect(await bench.pin({ table: 'shop."Odd ""name"', columns: ['half'] })).toMatchObject({
      columns: ['half DOUBLE'],
      rows: [['0.0'], ['0.5'], ['1.0']],
    });
  });

  test('more text than fits into one piece comes in the order of the server, each row once', async () => {
    const { snapshot } = await bench.pin({ query: 'SELECT id, text FROM big ORDER BY id DESC' });
    expect(snapshot.rows).toBe(300_000);
    expect(snapshot.files.map(({ rows }) => rows).reduce((sum, rows) => sum + rows, 0)).toBe(300_000);
    expect(snapshot.files.length).toBeGreaterThanOrEqual(1);
  });

  describe('types, by what the server itself prints', () => {
    const text = fc.string({ unit: 'binary' }).map((value) => value.replaceAll('\0', ''));
    const digits = (most: number) => fc.stringMatching(new RegExp(`^-?[1-9][0-9]{0,${most - 1}}$`));
    const time = (from: string, to: string) =>
      fc
        .date({ min: new Date(from), max: new Date(to), noInvalidDate: true })
        .map((date) => date.toISOString().replace('T', ' ').replace('Z', ''));
    const float = fc.double().map((value) => (Object.is(value, -0) ? '-0' : String(value)));
    /** Type of PostgreSQL, type that it is carried as, and values. */
    const TYPES: readonly [
      name: string,
      carried: string,
      values: readonly string[],
      more: fc.Arbitrary<string>,
    ][] = [
      ['smallint', 'SMALLINT', ['-32768', '32767'], fc.integer({ min: -32768, max: 32767 }).map(String)],
      ['integer', 'INTEGER', ['-2147483648', '2147483647'], fc.integer().map(String)],
      [
        'bigint',
        'BIGINT',
        ['-9223372036854775808', '9223372036854775807', '9007199254740993'],
        fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String),
      ],
      [
        'numeric(38,10)',
        'DECIMAL(38,10)',
        ['0.0000000001', '-9999999999999999999999999999.9999999999'],
        digits(28),
      ],
      ['numeric(4,0)', 'DECIMAL(4,0)', ['9999', '-1'], digits(4)],
      ['numeric', 'DECIMAL(38,6)', ['0.000001', '-12345678901234567890123456789012', '1.50'], digits(30)],
      [
        'real',
        'FLOAT',
        ['NaN', 'Infinity', '-Infinity', '1e-45', '3.4028235e38', '-0', '0.1'],
        fc.float({ noDefaultInfinity: false }).map((value) => (Object.is(value, -0) ? '-0' : String(value))),
      ],
      [
        'double precision',
        'DOUBLE',
        ['NaN', 'Infinity', '-Infinity', '5e-324', '1.7976931348623157e308', '-0', '0.1'],
        float,
      ],
      ['boolean', 'BOOLEAN', ['true', 'false'], fc.boolean().map(String)],
      [
        'text',
        'VARCHAR',
        ['', '\\N', '\\.', '"', 'a\nb', 'a\r\nb', ',', '""', 'NULL', ' ', '\ufeff', '\u{1F600}', "'", '\\'],
        text,
      ],
      ['varchar(300)', 'VARCHAR', [], text],
      ['char(5)', 'VARCHAR', ['a', ''], fc.stringMatching(/^[a-z]{0,5}$/)],
      [
        'bytea',
        'BLOB',
        ['\\x', '\\x00ff22'],
        fc.uint8Array().map((bytes) => `\\x${Buffer.from(bytes).toString('hex')}`),
      ],
      [
        'date',
        'DATE',
        [
          'infinity',
          '-infinity',
          '4713-01-01 BC',
          '0044-03-15 BC',
          '5874897-12-31',
          '2024-02-29',
          '10000-01-01',
        ],
        time('0001-01-01', '9999-12-31').map((value) => value.slice(0, 10)),
      ],
      [
        'time',
        'TIME',
        ['24:00:00', '00:00:00.000001', '23:59:59.999999'],
        time('2000-01-01', '2000-01-02').map((value) => value.slice(11)),
      ],
      [
        'timestamp',
        'TIMESTAMP',
        [
          'infinity',
          '-infinity',
          '0044-03-15 12:00:00.5 BC',
          '294246-12-31 23:59:59.999999',
          '1969-12-31 23:59:59.999999',
        ],
        time('0001-01-01', '9999-12-31'),
      ],
      [
        'timestamptz',
        'TIMESTAMP WITH TIME ZONE',
        ['infinity', '-infinity', '0044-03-15 12:00:00+00 BC', '2024-03-31 02:30:00+05:45'],
        time('0001-01-02', '9999-12-30').map((value) => `${value}+00`),
      ],
      ['json', 'VARCHAR', ['{"a": [1,  2]}', '"x\\u0041"', 'null', '1e400'], fc.json()],
      [
        'jsonb',
        'VARCHAR',
        ['{"b": 1, "a": [1, 2.50]}', 'null'],
        fc.json().filter((value) => !value.includes('\\u') && !/e[+-]?\d{3}/i.test(value)),
      ],
      [
        'uuid',
        'UUID',
        ['00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff'],
        fc.uuid(),
      ],
      ['mood', 'VARCHAR', ['sad', 'o"k, \\N'], fc.constantFrom('sad', 'o"k, \\N')],
      [
        'integer[]',
        'INTEGER[]',
        ['{}', '{1,NULL,-3}', '[5:6]={1,2}'],
        fc.array(fc.integer()).map((list) => `{${list.join(',')}}`),
      ],
      [
        'bigint[]',
        'BIGINT[]',
        ['{9223372036854775807}'],
        fc.array(fc.integer()).map((list) => `{${list.join(',')}}`),
      ],
      [
        'float8[]',
        'DOUBLE[]',
        ['{NaN,Infinity,-Infinity,1.5,NULL}'],
        fc.array(float).map((list) => `{${list.join(',')}}`),
      ],
      [
        'numeric(10,2)[]',
        'DECIMAL(10,2)[]',
        ['{1.50,NULL}'],
        fc.array(fc.integer({ min: -999, max: 999 })).map((list) => `{${list.join(',')}}`),
      ],
      [
        'boolean[]',
        'BOOLEAN[]',
        ['{t,f,NULL}'],
        fc.array(fc.boolean()).map((list) => `{${list.map(String).join(',')}}`),
      ],
    ];

    /** What DuckDB prints, as PostgreSQL would have. */
    const alike: Readonly<Record<string, (printed: string) => string>> = {
      FLOAT: (printed) => String(Math.fround(Number(numberText(printed)))),
      DOUBLE: (printed) => String(Number(numberText(printed))),
      DECIMAL: (printed) => printed.replace(/(\.\d*?)0+$/, '$1').replace(/\.$/, ''),
      BOOLEAN: (printed) => printed.slice(0, 1),
      BLOB: (printed) => printed,
      // The driver that the test reads with takes a byte order mark at the beginning away.
      VARCHAR: (printed) => printed.replace(/^\ufeff/, ''),
      DATE: (printed) => printed.replace(' (BC)', ' BC'),
      TIMESTAMP: (printed) => printed.replace(/^(\S+) \(BC\)(.*)$/, '$1$2 BC'),
    };
    const numberText = (text: string) => text.replace(/^(-?)inf$/i, '$1Infinity').replace(/^nan$/i, 'NaN');
    const normal = (carried: string, text: string | null) => {
      if (text === null) return null;
      if (carried.endsWith('[]')) {
        const inside = carried.slice(0, -2).replace(/\(.*/, '');
        const items = text.replace(/^.*=/, '').replace(/^[[{]|[\]}]$/g, '');
        return items
          .split(/, ?/)
          .map((item) => (item === 'NULL' || item === '' ? item : (alike[inside] ?? String)(item)))
          .join(',');
      }
      return (alike[carried.replace(/(\(| WITH).*/, '')] ?? String)(text);
    };

    beforeAll(() => admin.query(`CREATE TYPE mood AS ENUM ('sad', 'o"k, \\N')`));

    test.each(TYPES)('%s is carried as %s', async (name, carried, values, more) => {
      const sampled = fc.sample(more, { numRuns: 200 - values.length, seed: 7 });
      const all = [null, ...values, ...sampled];
      await admin.query(`DROP TABLE IF EXISTS nasty; CREATE TABLE nasty (id int, v ${name})`);
      await admin.query(
        `INSERT INTO nasty SELECT i, v::${name} FROM unnest($1::text[]) WITH ORDINALITY t(v, i)`,
        [all],
      );
      await admin.query('GRANT SELECT ON nasty TO reader');
      const { columns, rows } = await bench.pin({ query: 'SELECT id, v FROM nasty ORDER BY id' });
      await admin.query(`SET TimeZone = 'UTC'; SET bytea_output = 'hex'`);
      const bytes = name === 'bytea';
      const printed = await admin.query(
        `SELECT ${bytes ? `encode(v, 'hex')` : 'v::text'} AS v FROM nasty ORDER BY id`,
      );
      expect(columns).toEqual(['id INTEGER', `v ${carried}`]);
      const expected = (printed.rows as { v: string | null }[]).map(({ v }) => normal(carried, v));
      const found = rows.map((row) => {
        const value = typeof row === 'string' ? row : (row[1] ?? null);
        if (bytes && value !== null) return hexOf(value);
        // JSON and char(n): text as it is, with the blanks that a cast to text takes away.
        return name.startsWith('char') ? (value?.trimEnd() ?? null) : normal(carried, value);
      });
      expect(found).toEqual(expected);
      expect(found.length).toBeGreaterThanOrEqual(200);
    });

    test.each([
      ['a NaN in a decimal', 'numeric(5,2)', 'NaN', 'has "NaN" in v, which is no DECIMAL(5,2)'],
      [
        'an array of arrays',
        'integer[]',
        '{{1,2},{3,4}}',
        /has "\[\[1,2\],\[3,4\]\]"|in v, which is no INTEGER\[\]/,
      ],
      ['a time beyond the range', 'timestamp', '294276-12-31 00:00:00', /which is no TIMESTAMP/],
    ])('%s rejects its row, which keeps its key', async (_, type, value, problem) => {
      const { rows, snapshot } = await bench.pin({
        query: `SELECT i AS id, CASE WHEN i = 2 THEN '${value}' END::${type} AS v FROM generate_series(1, 3) i ORDER BY i`,
      });
      expect(rows[0]).toEqual(['1', null]);
      expect(rows[1]).toMatch(problem);
      expect(snapshot.files[0]?.original?.malformed).toBe(1);
    });

    test.each(['interval', 'text[]', 'inet', 'point', 'xml', 'money', 'timetz', 'int4range', 'numeric[]'])(
      '%s is refused by the name of its column',
      async (type) => {
        expect(await bench.refusal({ query: `SELECT NULL::${type} AS "odd col"` })).toMatch(
          /^COLUMN_TYPE Column "odd col" of input.query on db has the type/,
        );
      },
    );

    test('more digits than a decimal has', async () => {
      expect(await bench.refusal({ query: 'SELECT 1e40::numeric + 0.5 AS x' })).toMatch(
        /^COLUMN_TYPE Column "x" holds numbers with 41 digits/,
      );
    });
  });

  test('rows that change while the pin streams are not seen', async () => {
    await admin.query('CREATE TABLE moving AS SELECT i AS id, 0 AS v FROM generate_series(1, 200000) i');
    await admin.query('GRANT SELECT ON moving TO reader');
    await admin.query('SELECT pg_advisory_lock(7)');
    // The statement has its snapshot, and waits in its first row until the lock is free.
    const waiting = bench.pin({
      query: 'SELECT m.id, m.v FROM (SELECT pg_advisory_lock_shared(7)) l, moving m',
    });
    await expect
      .poll(
        async () =>
          (await admin.query(`SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted`)).rowCount,
        { interval: 20, timeout: 20_000 },
      )
      .toBe(1);
    await admin.query('UPDATE moving SET v = 1');
    await admin.query('INSERT INTO moving VALUES (0, 1)');
    await admin.query('SELECT pg_advisory_unlock(7)');
    const { snapshot, rows } = await waiting;
    expect(snapshot.rows).toBe(200_000);
    expect(rows.every((row) => row[1] === '0')).toBe(true);
  });

  describe('what is no single SELECT that only reads is refused, and nothing is written', () => {
    test.each([
      [
        'a syntax error, with its place',
        'SELECT id\nFORM numbers WHERE',
        /^QUERY_INVALID .*line 2, column 14|^QUERY_INVALID .*line 2, column 6/,
      ],
      [
        'a syntax error behind letters outside of the plane',
        `SELECT '\u{1F600}', idd FROM numbers`,
        /^QUERY_INVALID .*line 1, column 13: column "idd"/,
      ],
      ['a missing table', 'SELECT * FROM numbres', /^QUERY_INVALID .*line 1, column 15: relation "numbres"/],
      ['no columns', 'SELECT FROM numbers', /^QUERY_FORBIDDEN .*no columns/],
      ['two statements', 'SELECT 1 AS a; SELECT 2 AS b', /^QUERY_FORBIDDEN .*more than one statement/],
      [
        'a pasted COPY PROGRAM',
        `SELECT 1) TO PROGRAM 'touch /tmp/batchwright-stolen' --`,
        /^QUERY_INVALID .*syntax/,
      ],
      ['a comment behind it', 'SELECT 1 AS a -- ) TO PROGRAM', 'pinned'],
      ['a comment that is not closed', 'SELECT 1 AS a /* x', /^QUERY_INVALID/],
      [
        'an INSERT in a WITH',
        'WITH x AS (INSERT INTO numbers VALUES (7) RETURNING id) SELECT * FROM x',
        /^QUERY_FORBIDDEN .*(read-only|INSERT)/,
      ],
      ['INSERT ... RETURNING', 'INSERT INTO numbers VALUES (7) RETURNING id', /^QUERY_FORBIDDEN .*read-only/],
      ['a function that writes', 'SELECT writes() AS a', /^QUERY_FORBIDDEN .*read-only/],
      ['nextval', `SELECT nextval('counter') AS n`, /^QUERY_FORBIDDEN .*read-only/],
      ['DO', 'DO $$ BEGIN END $$', /^QUERY_FORBIDDEN/],
      ['COPY', `COPY numbers TO '/tmp/batchwright-stolen'`, /^QUERY_FORBIDDEN/],
      ['a way out of read-only', `SELECT set_config('transaction_read_only', 'off', false) AS a`, /^QUERY_F/],
      [
        'a file of the server',
        `SELECT pg_read_file('/etc/passwd') AS a`,
        /^SOURCE_UNREADABLE .*permission denied/,
      ],
      [
        'a table that may not be read',
        'SELECT * FROM hidden',
        /^SOURCE_UNREADABLE .*permission denied for table hidden/,
      ],
      ['columns of one name', 'SELECT 1 AS a, 2 AS "A"', /^COLUMN_AMBIGUOUS/],
      ['a row that fails', 'SELECT 1 / (id - 500) AS a FROM numbers', /^QUERY_FAILED .*division by zero/],
      ['a parameter', 'SELECT $1::int AS a', /^QUERY_INVALID/],
    ])('%s', async (_, query, refusal) => {
      const said = await bench.refusal({ query });
      if (refusal === 'pinned') expect(said).toMatch(/pinned/);
      else expect(said).toMatch(refusal);
      expect((await admin.query('SELECT count(*)::int AS n FROM numbers')).rows).toEqual([{ n: 1_000 }]);
    });
  });

  test('a superuser runs no program and writes nothing, either', async () => {
    await using mighty = await databaseBench(
      () => `{ kind: postgres, url: "${url('postgres')}", password: { env: TEST_ADMIN } }`,
    );
    const target = join(mighty.folder, 'stolen');
    for (const query of [
      `SELECT 1 AS a) TO PROGRAM 'touch ${target}'; COPY (SELECT 1 AS a`,
      `SELECT 1 AS a) TO '${target}'; COPY (SELECT 1 AS a`,
      `SELECT 1 AS a) TO PROGRAM 'touch ${target}' --`,
      `COPY numbers TO PROGRAM 'touch ${target}'`,
      'DELETE FROM numbers RETURNING id',
      'SELECT writes() AS a',
    ])
      expect(await mighty.refusal({ query })).toMatch(/^QUERY_(FORBIDDEN|INVALID)/);
    expect(existsSync(target)).toBe(false);
    expect((await admin.query('SELECT count(*)::int AS n FROM numbers')).rows).toEqual([{ n: 1_000 }]);
  });

  test('a query that never ends', async () => {
    expect(
      await bench.refusal({ query: 'SELECT 1 AS a, pg_sleep(3600)::text AS b', timeout_seconds: 0.3 }),
    ).toMatch(/^QUERY_TIMEOUT/);
  });

  test('a connection that is cut half way is no short input', async () => {
    await admin.query('SELECT pg_advisory_lock(8)');
    const pinning = bench.refusal({
      query: `SELECT id, text FROM big UNION ALL SELECT 0, (SELECT pg_advisory_lock_shared(8))::text FROM generate_series(1, 10)`,
    });
    await expect
      .poll(
        async () =>
          (
            await admin.query(
              `SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted`,
            )
          ).rowCount,
        { interval: 20, timeout: 20_000 },
      )
      .toBe(1);
    expect(await pinning).toMatch(/^CONNECTION_FAILED .*terminat/);
    await admin.query('SELECT pg_advisory_unlock(8)');
  });

  test('a wrong password, a user or database that is not there, a server that is not there', async () => {
    const refusal = async (connection: string) => {
      await using other = await databaseBench(() => connection);
      return await other.refusal({ query: 'SELECT 1 AS a' });
    };
    process.env.TEST_WRONG = 'canary-secret';
    const wrong = await refusal(`{ kind: postgres, url: "${url('reader')}", password: { env: TEST_WRONG } }`);
    expect(wrong).toMatch(/^CONNECTION_REFUSED .*password authentication failed/);
    expect(wrong).not.toContain('canary');
    expect(await refusal(`{ kind: postgres, url: "${url('reader')}" }`)).toMatch(/^CONNECTION_REFUSED/);
    expect(
      await refusal(`{ kind: postgres, url: "${url('reader')}", password: { env: TEST_NONE } }`),
    ).toMatch(/^SECRET_MISSING .*TEST_NONE is not set/);
    expect(
      await refusal(
        `{ kind: postgres, url: "postgres://reader@127.0.0.1:${server.port}/none", password: { env: TEST_READER } }`,
      ),
    ).toMatch(/^CONNECTION_REFUSED .*"none"/);
    expect(await refusal(`{ kind: postgres, url: "postgres://u@127.0.0.1:${await freePort()}/d" }`)).toMatch(
      /^CONNECTION_FAILED .*ECONNREFUSED/,
    );
    expect(await refusal('{ kind: postgres, url: "postgres://u@nowhere.invalid/d" }')).toMatch(
      /^CONNECTION_FAILED .*nowhere.invalid/,
    );
    expect(
      await refusal(
        `{ kind: postgres, url: "${url('reader')}?sslmode=require", password: { env: TEST_READER } }`,
      ),
    ).toMatch(/^CONNECTION_REFUSED .*SSL/);
  });

  test('whom it may be read as is told', async () => {
    const { openDatabase } = await import('../../databases/open-database.ts');
    const { parseConfiguration } = await import('../../spec/connections.ts');
    const { connections } = parseConfiguration(
      `connections:
  reader: ${asReader()}
  admin: { kind: postgres, url: "${url('postgres')}", password: { env: TEST_ADMIN } }`,
      'x',
      '/',
    );
    await admin.query('REVOKE INSERT ON numbers FROM reader');
    const settings = { threads: 1, memoryLimitMb: 100, tempDir: '/tmp' };
    const rights = async (name: 'reader' | 'admin') => {
      const spec = connections[name];
      if (spec === undefined) throw new Error(name);
      return (await (await openDatabase(name, spec, settings)).about(new AbortController().signal)).canWrite;
    };
    expect(await rights('reader')).toBe(false);
    expect(await rights('admin')).toBe(true);
    await admin.query('GRANT INSERT ON numbers TO reader');
  });

  test('an aborted pin ends its statement at the server', async () => {
    const stop = new AbortController();
    const pinning = bench.pin({ query: 'SELECT id, pg_sleep(60)::text AS s FROM numbers' }, stop.signal);
    await expect
      .poll(
        async () =>
          (await admin.query(`SELECT 1 FROM pg_stat_activity WHERE query LIKE 'COPY%pg_sleep(60)%'`))
            .rowCount,
        { interval: 20, timeout: 20_000 },
      )
      .toBe(1);
    stop.abort(new Error('the lease was lost'));
    await expect(pinning).rejects.toThrow('the lease was lost');
  });
});

/** Bytes as DuckDB prints them, as hex. */
function hexOf(printed: string): string {
  return printed.replaceAll(/\\x([0-9A-F]{2})|[\s\S]/g, (all, hex: string | undefined) =>
    (hex ?? Buffer.from(all).toString('hex')).toLowerCase(),
  );
}
