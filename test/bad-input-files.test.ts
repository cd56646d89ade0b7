import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { identityModel } from './onnx-builder.ts';
import { runCli } from './support/cli.ts';
import { sql } from './support/parquet.ts';
import { expectCompleted, expectNothingAt, expectRefused, workshop } from './support/workshop.ts';

vi.setConfig({ maxConcurrency: 3, testTimeout: 180_000 });

const shop = workshop('bad-files', {
  model: '../identity.onnx',
  input: 'in.parquet',
  key: 'id',
  features: 'x',
});
const at = (name: string) => join(shop.home, name);

beforeAll(async () => {
  writeFileSync(at('identity.onnx'), identityModel());
  await sql(
    `COPY (SELECT i AS id, i::FLOAT AS x FROM range(5000) t(i)) TO '${at('good.parquet')}' (FORMAT parquet, ROW_GROUP_SIZE 2048)`,
  );
  await sql(
    `COPY (SELECT i AS id, i::FLOAT AS x FROM range(5000) t(i)) TO '${at('plain.parquet')}' (FORMAT parquet, COMPRESSION uncompressed)`,
  );
});
afterAll(() => shop.remove());

/** A bench whose `in.parquet` has these columns. */
async function table(name: string, select: string) {
  const bench = shop.bench(name);
  await sql(`COPY (${select}) TO '${bench.folder}/in.parquet' (FORMAT parquet)`);
  return bench;
}

describe('what is not there', () => {
  test.concurrent('a file that does not exist', async () => {
    const bench = shop.bench('absent');
    const result = await bench.run({ input: 'nowhere.parquet' });
    expectRefused(result, { exit: 2, code: 'SOURCE_NOT_FOUND', names: ['nowhere.parquet', 'input.path'] });
    expectNothingAt(bench.out);
  });

  test.concurrent('a pattern that matches nothing, and a folder without Parquet files', async () => {
    const bench = shop.bench('no-match');
    mkdirSync(join(bench.folder, 'empty'));
    const pattern = await bench.run({ input: 'empty/*.parquet' });
    expectRefused(pattern, { exit: 2, code: 'SOURCE_NOT_FOUND', names: ['empty/*.parquet', 'input.path'] });
    const folder = await bench.run({ input: 'empty' });
    expectRefused(folder, { exit: 2, code: 'SOURCE_NOT_FOUND', names: [join(bench.folder, 'empty')] });
    expectNothingAt(bench.out);
  });

  test.concurrent('an input without rows gives a result without rows, with its columns, that verifies', async () => {
    const bench = await table(
      'no-rows',
      `SELECT 1::BIGINT AS id, 1::FLOAT AS x, 'a' AS name, 1.5::DECIMAL(20,3) AS d WHERE false`,
    );
    const job = expectCompleted(await bench.run({ include: 'name,d' }));
    expect(job.counts).toEqual({ read: 0, scored: 0, rejected: 0, filtered: 0 });
    const columns = await sql(
      `SELECT column_name AS name, column_type AS type FROM (DESCRIBE FROM read_parquet('${bench.out}/part-*.parquet'))`,
    );
    expect(columns).toEqual([
      { name: 'id', type: 'BIGINT' },
      { name: 'name', type: 'VARCHAR' },
      { name: 'd', type: 'DECIMAL(20,3)' },
      { name: 'y', type: 'FLOAT' },
    ]);
    const verified = await bench.cli(['verify', '--json', 'out']);
    expect(verified.code).toBe(0);
  });
});

describe('columns', () => {
  test.concurrent.each([
    {
      hazard: 'a feature that is missing',
      flags: { features: 'xx' },
      code: 'COLUMN_MISSING',
      names: ["'xx'", "Did you mean 'x'?", 'id, x, name'],
    },
    {
      hazard: 'a key that is missing',
      flags: { key: 'idd' },
      code: 'COLUMN_MISSING',
      names: ["'idd'", 'input.key', "Did you mean 'id'?"],
    },
    {
      hazard: 'an included column that is missing',
      flags: { include: 'nmae' },
      code: 'COLUMN_MISSING',
      names: ["'nmae'", 'output.include', "Did you mean 'name'?"],
    },
    {
      hazard: 'a column of the condition that is missing',
      flags: { where: 'agee > 3' },
      code: 'COLUMN_MISSING',
      names: ['agee', 'input.where'],
    },
    {
      hazard: 'a feature that input.columns leaves out',
      flags: { 'input-columns': 'id' },
      code: 'SPEC_INVALID',
      names: ['--features', 'input.columns'],
    },
    {
      hazard: 'text as a feature of a model that wants numbers',
      flags: { features: 'name' },
      code: 'COLUMN_TYPE',
      names: ['name', 'VARCHAR', 'float32'],
    },
    {
      hazard: 'a prediction that would bear the name of an included column',
      flags: { include: 'name', columns: 'y=name' },
      code: 'COLUMN_AMBIGUOUS',
      names: ['name', 'output.columns'],
    },
  ] as const)('$hazard', async ({ hazard, flags, code, names }) => {
    const bench = await table(
      `columns-${hazard.replaceAll(' ', '-')}`,
      `SELECT i AS id, i::FLOAT AS x, 'n' || i AS name FROM range(3) t(i)`,
    );
    expectRefused(await bench.run(flags), { exit: 2, code, names });
    expectNothingAt(bench.out);
  });

  test.concurrent('names that differ in letter case only', async () => {
    const bench = shop.bench('case');
    // DuckDB would rename the second of the two; the names are made different and put right in the bytes.
    await sql(
      `COPY (SELECT i AS id, i::FLOAT AS x, i::FLOAT AS qq FROM range(3) t(i)) TO '${bench.folder}/lower.parquet' (FORMAT parquet)`,
    );
    const bytes = readFileSync(join(bench.folder, 'lower.parquet')).toString('latin1').replaceAll('qq', 'ID');
    writeFileSync(join(bench.folder, 'in.parquet'), Buffer.from(bytes, 'latin1'));
    expectRefused(await bench.run({}), {
      exit: 2,
      code: 'COLUMN_AMBIGUOUS',
      names: ['in.parquet', /\bID\b/i],
    });
    expectNothingAt(bench.out);
  });

  test.concurrent.each([
    { hazard: 'one file lacks a column', other: 'SELECT 7::BIGINT AS id', names: ['b.parquet', 'x'] },
    {
      hazard: 'one file has another type',
      other: `SELECT 7::BIGINT AS id, 1::DOUBLE AS x`,
      names: ['b.parquet', 'FLOAT', 'DOUBLE'],
    },
    {
      hazard: 'one file has a column more',
      other: `SELECT 7::BIGINT AS id, 1::FLOAT AS x, 2 AS extra`,
      names: ['b.parquet', 'extra'],
    },
  ])('files of one pattern with different schemas: $hazard', async ({ hazard, other, names }) => {
    const bench = shop.bench(hazard.replaceAll(' ', '-'));
    await sql(
      `COPY (SELECT i AS id, i::FLOAT AS x FROM range(3) t(i)) TO '${bench.folder}/a.parquet' (FORMAT parquet)`,
    );
    await sql(`COPY (${other}) TO '${bench.folder}/b.parquet' (FORMAT parquet)`);
    expectRefused(await bench.run({ input: '*.parquet' }), { exit: 2, code: 'SCHEMA_MISMATCH', names });
    expectNothingAt(bench.out);
  });
});

describe('bytes that are no Parquet', () => {
  const good = () => readFileSync(at('good.parquet'));
  test.concurrent.each([
    { hazard: 'no bytes at all', bytes: () => Buffer.alloc(0) },
    {
      hazard: 'random bytes',
      bytes: () => Buffer.from(Array.from({ length: 4_000 }, (_, i) => (i * 7919 + (i >> 3) * 104729) & 255)),
    },
    { hazard: 'only the mark, twice', bytes: () => Buffer.from('PAR1PAR1') },
    { hazard: 'cut off in the first page', bytes: () => good().subarray(0, 50) },
    { hazard: 'cut off in the middle', bytes: () => good().subarray(0, good().length >> 1) },
    { hazard: 'cut off by one byte', bytes: () => good().subarray(0, -1) },
    {
      hazard: 'a footer that claims to be longer than the file',
      bytes: () => withFooterLength(good(), 0x7fffffff),
    },
    { hazard: 'a footer that claims to be shorter than it is', bytes: () => withFooterLength(good(), 40) },
    {
      hazard: 'the data gone and the footer whole',
      bytes: () => Buffer.concat([Buffer.from('PAR1'), good().subarray(-footerBytes(good()) - 8)]),
    },
    { hazard: 'zeros where the data was', bytes: () => zeroed(good()) },
    {
      hazard: 'a footer of random bytes',
      bytes: () =>
        Buffer.concat([
          Buffer.from('PAR1'),
          Buffer.from(Array.from({ length: 900 }, (_, i) => (i * 7919) & 255)),
          tail(900),
        ]),
    },
  ])('$hazard: SOURCE_CORRUPT, naming the file', async ({ hazard, bytes }) => {
    const bench = shop.bench(hazard.replaceAll(' ', '-'));
    // A good file first: the bad one has to be found among others.
    cpSync(at('good.parquet'), join(bench.folder, 'a.parquet'));
    writeFileSync(join(bench.folder, 'b.parquet'), bytes());
    expectRefused(await bench.run({ input: '*.parquet' }), {
      exit: 2,
      code: 'SOURCE_CORRUPT',
      names: ['b.parquet'],
    });
    expectNothingAt(bench.out);
  });

  test('verify of a folder without a manifest says so', async () => {
    const result = await runCli(['verify', '--json', '.'], shop.home);
    expectRefused(result, { exit: 4, code: 'VERIFY_NOT_A_RESULT', names: [shop.home] });
  });

  test('verify with a key that is no key says so', async () => {
    const result = await runCli(['verify', '--json', '.', '--key', 'good.parquet'], shop.home);
    expectRefused(result, { exit: 2, code: 'KEY_UNUSABLE', names: ['good.parquet'] });
  });
});

function footerBytes(file: Buffer): number {
  return file.readUInt32LE(file.length - 8);
}

function withFooterLength(file: Buffer, length: number): Buffer {
  const changed = Buffer.from(file);
  changed.writeUInt32LE(length, file.length - 8);
  return changed;
}

function zeroed(file: Buffer): Buffer {
  const changed = Buffer.from(file);
  return changed.fill(0, 4, file.length - footerBytes(file) - 8);
}

function tail(footer: number): Buffer {
  const bytes = Buffer.from('\0\0\0\0PAR1', 'latin1');
  bytes.writeUInt32LE(footer);
  return bytes;
}
