import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sql } from '../../test/support/parquet.ts';
import { createDataEngine } from './duckdb-engine.ts';
import type { DataEngine } from './engine.ts';

const home = mkdtempSync(join(tmpdir(), 'batchwright-retry-rows-'));
const COLUMNS = [
  { name: 'id', type: 'BIGINT', neverNull: false },
  { name: 'x', type: 'DOUBLE', neverNull: false },
];
let engine: DataEngine;

/** Rejected: 3 and 7, and 20 twice, for a reason; line 5 of in.csv, which is malformed. Scored: 1 and 2. */
beforeAll(async () => {
  engine = await createDataEngine({ threads: 1, memoryLimitMb: 256, tempDir: home, allowed: [home] });
  await write(
    'rejects',
    `SELECT id::BIGINT AS id, 'NULL_FEATURE' AS code, 'x is null' AS message, 1 AS attempt, NULL::DOUBLE AS x,
            line::BIGINT AS _batchwright_line, if(line IS NULL, NULL, 'in.csv') AS _batchwright_file
       FROM (VALUES (3, NULL), (7, NULL), (20, NULL), (20, NULL), (NULL, 5), (NULL, 6)) t(id, line)`,
  );
  await write('scored', 'SELECT id::BIGINT AS id, 0.5 AS y FROM (VALUES (1), (2)) t(id)');
});
afterAll(async () => {
  await engine[Symbol.asyncDispose]();
  rmSync(home, { recursive: true, force: true });
});

const at = (name: string) => join(home, `${name}.parquet`);
const write = (name: string, query: string) => sql(`COPY (${query}) TO '${at(name)}' (FORMAT parquet)`);

/** Repaired records as (id, x, source_line); a line stands for the malformed record that was read from it. */
async function repair(name: string, ...records: string[]) {
  await write(
    `${name}-repaired`,
    `SELECT id::BIGINT AS id, x::DOUBLE AS x, if(line IS NULL, NULL, 'in.csv') AS source_file, line::BIGINT AS source_line
       FROM (VALUES ${records.join(', ')}) t(id, x, line)`,
  );
  return engine.retryRows({
    columns: COLUMNS,
    key: 'id',
    rejects: [at('rejects')],
    scored: [at('scored')],
    repaired: [{ path: at(`${name}-repaired`), shown: 'repair.csv' }],
    rowsTo: at(`${name}-rows`),
    carriedTo: at(`${name}-carried`),
  });
}

test('each repaired record takes the place of its reject, a malformed one by its line; all others stay', async () => {
  expect(await repair('good', '(7, 0.7, NULL)', '(8, 0.8, 5)')).toEqual({ rows: 2, carried: 4 });
  expect(await sql(`SELECT id::INT AS id, x FROM '${at('good-rows')}' ORDER BY id`)).toEqual([
    { id: 7, x: 0.7 },
    { id: 8, x: 0.8 },
  ]);
  expect(
    await sql(
      `SELECT id::INT AS id, _batchwright_line::INT AS line FROM '${at('good-carried')}' ORDER BY id, line`,
    ),
  ).toEqual([
    { id: 3, line: null },
    { id: 20, line: null },
    { id: 20, line: null },
    { id: null, line: 6 },
  ]);
});

describe('a repaired record that is not exactly one reject is refused, with its number', () => {
  test.each([
    ['of nowhere', 'RETRY_KEY_UNKNOWN', 'record 2', ['(3, 1, NULL)', '(99, 1, NULL)']],
    ['without its key', 'RETRY_KEY_UNKNOWN', 'record 1', ['(NULL, 1, NULL)']],
    ['of a line that was read', 'RETRY_KEY_UNKNOWN', 'record 1', ['(9, 1, 4)']],
    ['that was scored', 'RETRY_KEY_SCORED', 'record 1', ['(2, 1, NULL)', '(3, 1, NULL)']],
    ['twice', 'RETRY_KEY_DUPLICATE', 'record 1', ['(3, 1, NULL)', '(3, 2, NULL)']],
    ['that two rejects have the key of', 'RETRY_KEY_DUPLICATE', 'record 1', ['(20, 1, NULL)']],
    ['of a line, twice', 'RETRY_KEY_DUPLICATE', 'record 1', ['(8, 1, 5)', '(9, 1, 5)']],
    ['of a line, with the key of a scored one', 'RETRY_KEY_SCORED', 'record 1', ['(1, 1, 5)']],
    [
      'of a line, with the key of another repaired one',
      'RETRY_KEY_DUPLICATE',
      'record 2',
      ['(3, 1, NULL)', '(3, 1, 5)'],
    ],
    ['of two lines, with one key', 'RETRY_KEY_DUPLICATE', 'record 1', ['(8, 1, 5)', '(8, 1, 6)']],
  ])('%s', async (name, code, record, records) => {
    await expect(repair(name.replaceAll(/\W+/g, '-'), ...records)).rejects.toMatchObject({
      code,
      message: expect.stringContaining(`${record} of repair.csv`),
      place: { file: 'repair.csv', field: 'id' },
    });
  });
});

test.each(['source_file', 'SOURCE_ROW'])(
  'without a key, an input column %s is refused: a record could be told by it and mean another row',
  async (name) => {
    await write('placed', `SELECT 'in.csv' AS source_file, 0 AS source_row, 1::DOUBLE AS x`);
    await write(
      'placed-rejects',
      `SELECT 'in.csv' AS source_file, 0::BIGINT AS source_row, 'C' AS code, 'm' AS message, 1 AS attempt, 7::BIGINT AS ${name}_input, 1::DOUBLE AS x`,
    );
    const request = {
      columns: [...COLUMNS.slice(1), { name, type: 'BIGINT', neverNull: false }],
      key: null,
      rejects: [at('placed-rejects')],
      scored: [],
      repaired: [{ path: at('placed'), shown: 'repair.csv' }],
      rowsTo: at('placed-rows'),
      carriedTo: at('placed-carried'),
    };
    await expect(engine.retryRows(request)).rejects.toMatchObject({
      code: 'RETRY_UNSUPPORTED',
      place: { field: name },
    });
  },
);
