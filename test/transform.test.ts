import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { identityModel } from './onnx-builder.ts';
import { sql } from './support/parquet.ts';
import { expectCompleted, expectNothingAt, expectRefused, workshop } from './support/workshop.ts';

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
      {
        line: '5',
        code: 'ROW_MALFORMED',
        message: expect.stringMatching(/^Line 5 of .*events\.csv/),
        id: null,
      },
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
      input: {
        rows: 5,
        files: [{ original: { path: expect.stringMatching(/events\.csv$/), malformed: 1 } }],
      },
      sideInputs: {
        balances: {
          rows: 4,
          files: [
            {
              key: expect.stringMatching(/balances\/p\.parquet$/),
              identity: { footerSha256: expect.any(String) },
            },
          ],
        },
      },
    });
    expect((await cli(['verify', 'out', '--json'])).code).toBe(0);
  });

  test.concurrent('kill -9 of everything in the middle of the SQL: the same command goes on, and gives each row once', async () => {
    const { run, start, folder, out } = await preparedBench('killed');
    // Some seconds of work, then the same rows.
    const slow = PREPARE.replace('b_amount * 2 AS x', `b_amount * 2 + (${SECONDS_OF_WORK}) * 0 AS x`);
    writeFileSync(join(folder, 'prepare.sql'), slow);
    const running = start(FLAGS, { file: 'job.yaml' });
    const begun = () =>
      inputFolders(folder).some((name) => readdirSync(name, { recursive: true }).length > 1);
    await expect.poll(begun, { timeout: 60_000, interval: 20 }).toBe(true);
    for (const pid of familyOf(running.child.pid as number)) process.kill(pid, 'SIGKILL');
    await running.ended;
    expectNothingAt(out);
    const again = await run(FLAGS, { file: 'job.yaml' });
    expect(again.events[0]).toMatchObject({ event: 'resumed' });
    expect(expectCompleted(again).counts).toEqual({ read: 5, scored: 4, rejected: 1, filtered: 0 });
    expect(inputFolders(folder).map((name) => name.split('/').at(-1))).not.toContain('1');
  });

  test.concurrent('SQL that never ends is stopped by the time limit of the job, with its process', async () => {
    const { run, folder, out } = await preparedBench('endless');
    const endless =
      'WITH RECURSIVE t(n) AS (SELECT 1 UNION SELECT (n + 1) % 1000000007 FROM t) SELECT id, n AS x FROM input, t';
    const result = await run(
      { ...FLAGS, transform: endless, 'timeout-minutes': '0.1' },
      { file: 'job.yaml' },
    );
    expectRefused(result, { exit: 1, code: 'JOB_TIMEOUT', names: ['timeout'] });
    expectNothingAt(out);
    const left = readdirSync('/proc').filter(
      (pid) => /^\d+$/.test(pid) && commandOf(pid).includes(join(folder, 'state')),
    );
    expect(left).toEqual([]);
  });

  test.concurrent('mistakes in the SQL are shown with their place, and what is near', async () => {
    const { run } = await preparedBench('mistakes');
    const refused = async (transform: string) => run({ ...FLAGS, transform }, { file: 'job.yaml' });
    expectRefused(await refused('SELECT id,\n  b_amout AS x FROM input'), {
      exit: 2,
      code: 'TRANSFORM_INVALID',
      names: ['line 2, column 3', 'b_amout', /Did you mean .*b_amount/],
    });
    expectRefused(await refused(`SELECT id, customer, customer::DOUBLE AS x FROM input`), {
      exit: 2,
      code: 'TRANSFORM_FAILED',
      names: [/Could not convert string .*a.* to DOUBLE/, 'TRY_CAST'],
    });
    expectRefused(await refused(`SELECT * FROM read_text('/etc/passwd')`), {
      exit: 2,
      code: 'TRANSFORM_FORBIDDEN',
      names: ['read_text', 'line 1, column 15'],
    });
    expectRefused(await run({ ...FLAGS, transform: '@prepare.sqll' }, { file: 'job.yaml' }), {
      exit: 2,
      code: 'SPEC_INVALID',
      names: ['--transform', 'prepare.sqll does not exist', 'prepare.sql'],
    });
  });
});

const SECONDS_OF_WORK = 'SELECT sum((a.range * b.range) % 7) FROM range(40000) a, range(15000) b';

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}

/** Folders into which attempts to pin have put something. */
function inputFolders(folder: string): string[] {
  const jobs = join(folder, 'state/workspace/jobs');
  if (!existsSync(jobs)) return [];
  return readdirSync(jobs, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isDirectory() && entry.parentPath.endsWith('/input'))
    .map((entry) => join(entry.parentPath, entry.name));
}

/** A process and all that came from it. */
function familyOf(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean);
  return [pid, ...children.flatMap((child) => familyOf(Number(child)))];
}
