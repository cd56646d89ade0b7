import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startPostgres } from '../scripts/services/postgres.ts';
import { requireService } from '../scripts/services/require-service.ts';
import { runCli } from './support/cli.ts';

const started = await startPostgres();
const skipped = requireService('PostgreSQL', started);

const MODEL = join(import.meta.dirname, '../examples/churn/churn.onnx');
const FEATURES = 'tenure,monthly_charges,total_charges,support_calls,contract_months,paperless_billing';
const CANARY = 'canary-4c1f9e';

let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'database-input-'));
  const instance = await DuckDBInstance.create(join(folder, 'w.duckdb'));
  const connection = await instance.connect();
  await connection.run(`CREATE TABLE items AS SELECT i AS id,
    CASE i WHEN 3 THEN '[1, 2]' ELSE '[12, 70.5, 800, 1, 12, 0]' END AS vals FROM range(1, 11) t(i);
    CREATE TABLE names AS SELECT i AS id, 'name ' || i AS name FROM range(1, 11) t(i)`);
  connection.closeSync();
  instance.closeSync();
  writeFileSync(
    join(folder, 'batchwright.yaml'),
    'connections: { local: { kind: duckdb, path: w.duckdb } }\n',
  );
});
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  if (typeof started !== 'string') await started[Symbol.asyncDispose]();
});

const run = (...args: string[]) => runCli(['run', '--model', MODEL, ...args], folder);

test('lists of a database are unfolded and scored; one of another length is rejected by its key', async () => {
  writeFileSync(
    join(folder, 'job.yaml'),
    `model_id: ${MODEL}
input:
  source: sql
  connection: local
  query: SELECT id, vals FROM items ORDER BY id
  key: id
  unfold: { vals: [${FEATURES}] }
  features: [${FEATURES}]
output: { destination: parquet, path: unfolded }
config: { error_budget: 1 }
`,
  );
  const { code, stderr } = await runCli(['run', 'job.yaml'], folder);
  expect(stderr).not.toMatch(/INTERNAL/);
  expect(code).toBe(0);
  const rejects = await runCli(['rejects', 'latest', '--json'], folder);
  expect(rejects.stdout).toMatch(/Row 3 of connection local has 2 numbers in vals, and not 6/);
  const manifest = JSON.parse(readFileSync(join(folder, 'unfolded/_manifest.json'), 'utf8')) as {
    payload: string;
  };
  const { predicate } = JSON.parse(Buffer.from(manifest.payload, 'base64').toString()) as {
    predicate: {
      snapshot: { files: { original: { database: object } }[] };
      specification: { input: object };
    };
  };
  expect(predicate.snapshot.files[0]?.original.database).toMatchObject({
    connection: 'local',
    server: expect.stringMatching(/^DuckDB/),
  });
  expect(predicate.specification.input).toMatchObject({ query: 'SELECT id, vals FROM items ORDER BY id' });
});

test('a side input may come out of a database, too', async () => {
  writeFileSync(
    join(folder, 'side.yaml'),
    `model_id: ${MODEL}
input:
  source: table
  connection: local
  table: items
  key: id
  side_inputs: { names: { source: table, connection: local, table: names } }
  transform: |
    SELECT i.id, n.name, 12 AS tenure, 70.5 AS monthly_charges, 800 AS total_charges, 1 AS support_calls,
      12 AS contract_months, 0 AS paperless_billing FROM input i JOIN names n USING (id) ORDER BY i.id
  features: [${FEATURES}]
output: { destination: parquet, path: side, include: [name] }
`,
  );
  const { code, stdout, stderr } = await runCli(['run', 'side.yaml'], folder);
  expect([code, stdout, stderr]).toEqual([0, expect.stringMatching(/10 scored/), expect.anything()]);
});

test('check says what run would meet, and a wrong name is told before there is a job', async () => {
  const check = await runCli(['check', 'job.yaml', '--output', 'other', '--error-budget', '50%'], folder);
  expect(check.stdout).toMatch(/a query, read in full, 10 rows/);
  expect(check.code).toBe(0);
  const wrong = await run('--connection', 'locl', '--table', 'items', '--output', 'o');
  expect([wrong.code, wrong.stderr]).toEqual([
    2,
    expect.stringMatching(/CONNECTION_UNKNOWN.*Did you mean local/s),
  ]);
  const missing = await run('--connection', 'local', '--table', 'itms', '--output', 'o');
  expect([missing.code, missing.stdout]).toEqual([2, expect.stringMatching(/QUERY_INVALID.*itms/s)]);
  const many = await runCli(
    ['run', '--model', MODEL, '--connection', 'local', '--table', 'items', '--output', 'o'],
    folder,
    { BATCH_MAX_INPUT_ROWS: '9' },
  );
  expect([many.code, many.stdout]).toEqual([2, expect.stringMatching(/SOURCE_TOO_LARGE.*more than 9 rows/s)]);
});

test('init writes a job for a query', async () => {
  const made = await runCli(
    ['init', '--model', MODEL, '--connection', 'local', '--query', 'SELECT * FROM items', 'made.yaml'],
    folder,
  );
  expect([made.code, made.stderr]).toEqual([0, expect.anything()]);
  expect(readFileSync(join(folder, 'made.yaml'), 'utf8')).toMatch(
    /source: sql\n\s+connection: local\n\s+query: "SELECT \* FROM items"\n[\s\S]*key: id/,
  );
});

describe.skipIf(skipped !== null)(`PostgreSQL${skipped === null ? '' : ` (skipped: ${skipped})`}`, () => {
  test('a query is scored, and its password is found nowhere', async () => {
    if (typeof started === 'string') throw new Error(started);
    await started.run(
      `CREATE ROLE scorer LOGIN PASSWORD '${CANARY}'`,
      `CREATE TABLE customers AS SELECT i AS customer_id, i % 72 AS tenure, 70.5::numeric(10,2) AS monthly_charges,
        (i * 3.5)::float8 AS total_charges, i % 5 AS support_calls, 12 AS contract_months, 0 AS paperless_billing
        FROM generate_series(1, 20000) i`,
      'GRANT SELECT ON customers TO scorer',
    );
    const home = mkdtempSync(join(tmpdir(), 'database-pg-'));
    try {
      writeFileSync(
        join(home, 'bw.yaml'),
        `connections:
  shop: { kind: postgres, url: "postgres://scorer@127.0.0.1:${started.port}/postgres", password: { env: SHOP_PASSWORD } }
`,
      );
      const job = ['--model', MODEL, '--connection', 'shop', '--key', 'customer_id', '--features', FEATURES];
      const all = [
        'run',
        ...job,
        '--table',
        'public.customers',
        '--config',
        'bw.yaml',
        '--output',
        'out',
        '--verbose',
      ];
      const good = await runCli(all, home, { SHOP_PASSWORD: CANARY });
      expect([good.code, good.stdout]).toEqual([0, expect.stringMatching(/20,000 scored/)]);
      const bad = await runCli(
        [
          'run',
          ...job,
          '--query',
          'SELECT * FROM custmers',
          '--config',
          'bw.yaml',
          '--output',
          'out2',
          '--verbose',
        ],
        home,
        { SHOP_PASSWORD: CANARY },
      );
      expect([bad.code, bad.stdout]).toEqual([2, expect.stringMatching(/QUERY_INVALID.*custmers/s)]);
      const tested = await runCli(['connection', 'test', 'shop', '--config', 'bw.yaml'], home, {
        SHOP_PASSWORD: CANARY,
      });
      expect([tested.code, tested.stdout]).toEqual([
        0,
        expect.stringMatching(/PostgreSQL 1\d[\s\S]*scorer[\s\S]*reads only/),
      ]);
      const listed = await runCli(['connection', 'list', '--config', 'bw.yaml', '--json'], home, {
        SHOP_PASSWORD: CANARY,
      });
      const wrong = await runCli(['connection', 'test', 'shop', '--config', 'bw.yaml'], home, {
        SHOP_PASSWORD: `${CANARY}-wrong`,
      });
      expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringMatching(/CONNECTION_REFUSED.*password/)]);
      for (const { stdout, stderr } of [good, bad, tested, listed, wrong])
        expect(stdout + stderr).not.toContain(CANARY);
      expect(filesWith(home, CANARY)).toEqual([]);
    } finally {
      rmSync(home, { recursive: true, force: true });
    }
  });
});

/** Files below a folder that hold a text, whatever they are. */
function filesWith(root: string, text: string): string[] {
  const names = readdirSync(root, { recursive: true, encoding: 'utf8' });
  const files = names
    .map((name) => join(root, name))
    .filter((path) => existsSync(path) && statSync(path).isFile());
  return files.filter((path) => readFileSync(path).includes(text));
}
