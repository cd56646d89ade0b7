import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { sql } from '../../test/support/parquet.ts';
import { Failure } from '../core/errors.ts';
import { parseJobSpec } from '../spec/job-spec.ts';
import { checkNamedColumns } from './check-named-columns.ts';

const home = mkdtempSync(join(tmpdir(), 'named-columns-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));

beforeAll(async () => {
  mkdirSync(join(home, 'hive/year=2025'), { recursive: true });
  await sql(
    `COPY (SELECT 1 AS id, 2.0 AS Tenure, {'a': 1, 'id2': [2]} AS nested, [[1]] AS lists, 'x' AS city)
       TO '${home}/hive/year=2025/in.parquet' (FORMAT parquet)`,
  );
  writeFileSync(join(home, 'in.csv'), 'id;"ten;ure";city\n1;2;x\n');
  writeFileSync(join(home, 'in.csv.gz'), gzipSync(`id,tenure\n${'1,2\n'.repeat(100_000)}`));
  writeFileSync(join(home, 'in.jsonl'), '{"id": 1}\n{"id": 2, "late": 1}\n');
  writeFileSync(join(home, 'noheader.csv'), '1,2\n3,4\n');
  writeFileSync(join(home, 'broken.parquet'), 'PAR1 and nothing else PAR1');
  writeFileSync(join(home, 'empty.csv'), '');
});

async function problems(input: object, include: readonly string[] = []): Promise<string[]> {
  const spec = parseJobSpec(
    { model_id: 'm.onnx', input, output: { destination: 'parquet', path: 'out', include } },
    { folder: home },
  );
  try {
    await checkNamedColumns(spec);
    return [];
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    const all = error.problems.length > 0 ? error.problems : [error.toJSON()];
    return all.map(({ code, message }) => `${code} ${message}`);
  }
}

const PARQUET = { source: 'parquet', path: 'hive' };

test('names that are there pass in any letter case: nested columns, folders, quoted headers, compressed files', async () => {
  const parquet = {
    ...PARQUET,
    key: 'ID',
    features: ['tenure'],
    where: 'year > 2000 AND nested IS NOT NULL',
  };
  expect(await problems(parquet, ['nested', 'lists', 'year'])).toEqual([]);
  const csv = { source: 'csv', path: 'in.csv', delimiter: ';', key: 'id', features: ['ten;ure'] };
  expect(await problems(csv, ['City'])).toEqual([]);
  expect(await problems({ source: 'csv', path: 'in.csv.gz', key: 'id', features: { x: 'tenure' } })).toEqual(
    [],
  );
});

test('every name that is not there is said, with the nearest one and where it was written', async () => {
  const found = await problems(
    {
      ...PARQUET,
      key: 'idd',
      features: ['tenrue'],
      where: 'cty = 1',
      columns: ['idd', 'tenrue', 'id2', 'city'],
    },
    ['city'],
  );
  expect(found.map((text) => text.replace(/ The columns are.*/, ''))).toEqual([
    "COLUMN_MISSING There is no column 'idd' (input.columns). Did you mean 'id'?",
    "COLUMN_MISSING There is no column 'tenrue' (input.columns). Did you mean 'Tenure'?",
    "COLUMN_MISSING There is no column 'id2' (input.columns). Did you mean 'id'?",
    "COLUMN_MISSING There is no column 'idd' (input.key). Did you mean 'id'?",
    "COLUMN_MISSING There is no column 'tenrue' (input.features). Did you mean 'Tenure'?",
    'COLUMN_MISSING input.where names cty (at character 1), which is no column of the input. Did you mean city?',
  ]);
  expect(await problems({ source: 'csv', path: 'in.csv.gz', key: 'tenur' })).toHaveLength(1);
});

test('what the first file does not tell is left to pin: JSON Lines, prepared inputs, damaged files', async () => {
  for (const input of [
    { source: 'jsonl', path: 'in.jsonl', key: 'late' },
    { source: 'parquet', path: 'broken.parquet', key: 'x' },
    { source: 'csv', path: 'empty.csv', key: 'x' },
    { source: 'csv', path: 'in.csv', key: 'made', delimiter: ';', transform: 'SELECT id AS made FROM input' },
  ])
    expect(await problems(input)).toEqual([]);
});

test('a pattern that matches nothing is said before there is a job', async () => {
  expect(await problems({ source: 'parquet', path: 'nowhere/*.parquet' })).toEqual([
    `SOURCE_NOT_FOUND No file matches ${home}/nowhere/*.parquet.`,
  ]);
});
