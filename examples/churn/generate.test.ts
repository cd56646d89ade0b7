import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterAll, expect, test } from 'vitest';
import { generateCustomers } from './generate.ts';

const folder = await mkdtemp(join(tmpdir(), 'batchwright-generate-'));
afterAll(() => rm(folder, { recursive: true }));

test('the same seed and count give the same customers on every machine and version', async () => {
  await generateCustomers({ rows: 1_000, seed: 7, folder: join(folder, 'pinned') });
  // Recorded once, and checked against Python's hashlib: a change here changes every published figure of the example.
  expect(
    await rows(
      `SELECT * REPLACE (epoch_us(signed_up_at)::VARCHAR AS signed_up_at) FROM '${folder}/pinned/*.parquet' LIMIT 1`,
    ),
  ).toMatchInlineSnapshot(`
    [
      [
        "9007199254741020",
        46,
        "month-to-month",
        1,
        "86.82",
        4171.08,
        2,
        false,
        true,
        "mailed check",
        "Wien",
        0.3289,
        "1646198184742827",
      ],
    ]
  `);
  expect(
    await rows(
      `SELECT sum(customer_id)::VARCHAR, sum(tenure)::INTEGER, sum(monthly_charges)::VARCHAR, max(total_charges),
              sum(support_calls)::INTEGER, count(usage_trend)::INTEGER FROM '${folder}/pinned/*.parquet'`,
    ),
  ).toMatchInlineSnapshot(`
    [
      [
        "9007200252744014500",
        35179,
        "68670.05",
        8741.4,
        2133,
        979,
      ],
    ]
  `);
});

test('customers do not depend on how many others are generated, across file borders', async () => {
  await generateCustomers({ rows: 125_003, seed: 3, folder: join(folder, 'more') });
  await generateCustomers({ rows: 125_001, seed: 3, folder: join(folder, 'fewer') });
  expect(await readdir(join(folder, 'fewer'))).toEqual([
    'customers-00000.parquet',
    'customers-00001.parquet',
  ]);
  const difference = await rows(
    `SELECT count(*)::INTEGER FROM (FROM '${folder}/fewer/*.parquet' EXCEPT ALL FROM '${folder}/more/*.parquet')`,
  );
  expect(difference).toEqual([[0]]);
});

test('keys are unique, and only as whole numbers: half are lost as doubles', async () => {
  await generateCustomers({ rows: 125_000, seed: 1, folder: join(folder, 'keys') });
  const counts = await rows(
    `SELECT count(DISTINCT customer_id)::INTEGER, count(DISTINCT customer_id::DOUBLE)::INTEGER FROM '${folder}/keys/*.parquet'`,
  );
  expect(counts).toEqual([[125_000, 62_500]]);
});

test('no customers are one empty file, and another run replaces what was there', async () => {
  await generateCustomers({ rows: 3, seed: 1, folder: join(folder, 'again') });
  await generateCustomers({ rows: 0, seed: 1, folder: join(folder, 'again') });
  expect(await rows(`SELECT count(*)::INTEGER FROM '${folder}/again/*.parquet'`)).toEqual([[0]]);
});

async function rows(sql: string): Promise<unknown[][]> {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  const result = await connection.runAndReadAll(sql);
  connection.closeSync();
  instance.closeSync();
  return result.getRowsJson();
}
