import { existsSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { identityModel } from './onnx-builder.ts';
import { sql } from './support/parquet.ts';
import { eventOf, expectCompleted, expectNothingAt, expectRefused, workshop } from './support/workshop.ts';

vi.setConfig({ maxConcurrency: 2, testTimeout: 180_000 });

const shop = workshop('transform', { model: '../identity.onnx', key: 'id', features: 'x' });
beforeAll(() => writeFileSync(join(shop.home, 'identity.onnx'), identityModel()));
afterAll(() => shop.remove());

const EVENTS = `id,customer,at\n1,a,2025-01-01 10:00:00\n2,a,2025-01-03 00:00:00\n3,b,2025-01-02 00:00:00\n4,a\n5,c,2025-01-02 00:00:00\n`;
const JOB = `
model_id: ../identity.onnx
input:
  source: csv
  path: events.csv
  key: id
  features: [x]
  on_null: -1
  side_inputs:
    balances:
      source: parquet
      path: balances
      join: { on: customer, as_of: { input: at, side: since, max_age: 30 days }, prefix: b_, columns: [amount] }
  transform: { file: prepare.sql }
output: { destination: parquet, path: out, include: [customer] }
config: { error_budget: 1 }
`;
const PREPARE = `-- what the model takes\nSELECT id, customer, b_amount * 2 AS x\nFROM input\nORDER BY id\n`;

async function preparedBench(name: string) {
  const made = shop.bench(name);
  const { folder } = made;
  writeFileSync(join(folder, 'events.csv'), EVENTS);
  writeFileSync(join(folder, 'job.yaml'), JOB);
  writeFileSync(join(folder, 'prepare.sql'), PREPARE);
  mkdirSync(join(folder, 'balances'));
  await sql(`COPY (SELECT * FROM (VALUES ('a', TIMESTAMP '2025-01-01 10:00:00', 1.5), ('a', TIMESTAMP '2025-01-02', 2.5),
    ('b', TIMESTAMP '2025-01-03', 9.0), ('c', TIMESTAMP '2024-11-01', 7.0)) t(customer, since, amount))
    TO '${folder}/balances/p.parquet' (FORMAT parquet)`);
  return made;
}

const FLAGS = { model: null, key: null, features: null, parallelism: null, output: null };

function manifestOf(out: string) {
  const { payload } = JSON.parse(readFileSync(join(out, '_manifest.json'), 'utf8')) as { payload: string };
  return JSON.parse(Buffer.from(payload, 'base64').toString()).predicate;
}

describe('an input prepared by a join and SQL', () => {
  test.concurrent('is scored as of its time; broken lines are rejects; the manifest names all tables; verify passes', async () => {
    const { run, out, cli } = await preparedBench('whole');
    const job = expectCompleted(await run(FLAGS, { file: 'job.yaml' }));
    expect(job.counts).toEqual({ read: 5, scored: 4, rejected: 1, filtered: 0 });
    expect(await sql(`SELECT id, customer, y FROM '${out}/*.parquet' ORDER BY id`)).toEqual([
      { id: '1', customer: 'a', y: 3 },
      { id: '2', customer: 'a', y: 5 },
      { id: '3', customer: 'b', y: -1 },
      { id: '5', customer: 'c', y: -1 },
    ]);
    expect(
      await sql(`SELECT _batchwright_line AS line, code, message, id FROM '${out}/_rejects/*.parquet'`),
    ).toEqual([
      { line: '5', code: 'ROW_MALFORMED', message: expect.stringMatching(/^Line 5 of .*events\.csv/), id: null },
    ]);
    const { snapshot, specification } = manifestOf(out);
    expect(specification.input).toMatchObject({
      transform: PREPARE,
      side_inputs: { balances: { join: { on: { customer: 'customer' } } } },
    });
    expect(snapshot.prepared).toMatchObject({
      rowsBefore: 4,
      rowsAfter: 4,
      malformed: 1,
      joins: expect.stringContaining('ASOF LEFT JOIN'),
      input: { rows: 5, files: [{ original: { path: expect.stringMatching(/events\.csv$/), malformed: 1 } }] },
      sideInputs: {
        balances: {
          rows: 4,
          files: [{ key: expect.stringMatching(/balances\/p\.parquet$/), identity: { footerSha256: expect.any(String) } }],
        },
      },
    });
    expect((await cli(['verify', 'out', '--json'])).code).toBe(0);
  });

  MORE
  test.concurrent('going on after a side input changed is refused, naming the side input and the file', async () => {
    const { run, start, folder } = await preparedBench('changed');
    // The error budget is too small: the job fails late, after its pin; so it is interrupted instead, once shards run.
    const running = start({ ...FLAGS, 'error-budget': '1' }, { file: 'job.yaml', env: HELD });
    await eventOf(running, ({ job }) => job?.status === 'running');
    running.child.kill('SIGKILL');
    await running.ended;
    const file = join(folder, 'balances/p.parquet');
    utimesSync(file, new Date(), new Date(Date.now() - 1_000_000));
    expectRefused(await run(FLAGS, { file: 'job.yaml' }), {
      exit: 6,
      code: 'SOURCE_CHANGED',
      names: ['Side input balances', 'p.parquet'],
    });
  });
});
