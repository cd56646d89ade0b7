import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createDataEngine } from '../data/duckdb-engine.ts';
import type { DataEngine } from '../data/engine.ts';
import type { InputSpec } from '../spec/job-spec.ts';
import { createLocalStorage } from '../storage/local.ts';
import { checkPreparedUnchanged, pinPrepared } from './prepare.ts';

const storage = createLocalStorage({ root: '/' });
const home = mkdtempSync(join(tmpdir(), 'prepare-'));
let engine: DataEngine;
beforeAll(async () => {
  engine = await createDataEngine({ threads: 1, memoryLimitMb: 512, tempDir: home, allowed: [home] });
});
afterAll(async () => {
  await engine[Symbol.asyncDispose]();
  rmSync(home, { recursive: true, force: true });
});

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(home, 'case-'));
  mkdirSync(join(folder, 'part=x'));
  writeFileSync(join(folder, 'part=x/a.csv'), 'id,v,seg\n1,1.5,p\n2\n3,2.5,q\n');
  writeFileSync(join(folder, 'side.csv'), 'id,w\n1,10\n3,30\n');
});

function input(more: Partial<InputSpec>): InputSpec {
  return {
    source: 'csv',
    path: [join(folder, 'part=x')],
    unique_key: false,
    on_null: 'reject',
    side_inputs: { side: { source: 'csv', path: [join(folder, 'side.csv')] } },
    ...more,
  };
}

function pinned(spec: InputSpec) {
  return pinPrepared(spec, {
    storage,
    engine,
    workspace: storage.keyOf(join(folder, 'work')),
    parallelFiles: 2,
    signal: new AbortController().signal,
    transform: { threads: 2, memoryLimitMb: 256, tempDir: join(folder, 'temp') },
    nowMs: Date.UTC(2025, 0, 31, 12, 30),
  });
}

async function rowsOf(key: string): Promise<Record<string, unknown>[]> {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  const reader = await connection.runAndReadAll(`SELECT * FROM read_parquet('/${key}')`);
  const rows = reader.getRowObjectsJson();
  connection.closeSync();
  instance.closeSync();
  return rows as Record<string, unknown>[];
}

describe('a prepared input', () => {
  test('malformed records are not seen by the SQL, and follow its rows with their line', async () => {
    const snapshot = await pinned(
      input({ transform: 'SELECT i.*, s.w FROM input i LEFT JOIN side s USING (id) ORDER BY id DESC' }),
    );
    const [rows, malformed] = snapshot.files;
    expect(snapshot).toMatchObject({ rows: 3, prepared: { rowsBefore: 2, rowsAfter: 2, malformed: 1 } });
    expect(await rowsOf(rows?.key ?? '')).toEqual([
      { id: '3', v: 2.5, seg: 'q', part: 'x', w: '30' },
      { id: '1', v: 1.5, seg: 'p', part: 'x', w: '10' },
    ]);
    expect(await rowsOf(malformed?.key ?? '')).toEqual([
      expect.objectContaining({ id: null, w: null, _batchwright_line: '3', _batchwright_text: '2' }),
    ]);
    expect(malformed?.original).toMatchObject({ malformed: 1, path: join(folder, 'part=x/a.csv') });
    // Nothing but the result is kept.
    expect(readdirSync(join(folder, 'work')).sort()).toEqual(['000000.parquet', 'malformed']);
  });

  test('rows and counts stay as they are under a declared join, in the order of the input', async () => {
    const snapshot = await pinned(
      input({
        side_inputs: {
          side: { source: 'csv', path: [join(folder, 'side.csv')], join: { on: { id: 'id' }, prefix: 's_' } },
        },
      }),
    );
    expect(snapshot.columns.map(({ name, type }) => `${name} ${type}`)).toEqual([
      'id BIGINT',
      'v DOUBLE',
      'seg VARCHAR',
      'part VARCHAR',
      's_w BIGINT',
    ]);
    expect((await rowsOf(snapshot.files[0]?.key ?? '')).map(({ id, s_w: w }) => [id, w])).toEqual([
      ['1', '10'],
      ['3', '30'],
    ]);
  });

  test('the clock stands at the time of the job, however it is asked', async () => {
    const asked = ['now()', 'current_timestamp', 'transaction_timestamp()', 'localtimestamp', 'main.now()'];
    const dates = ['current_date', 'today()', 'current_date()'];
    const shown = [
      ...asked.map((each) => `epoch_ms(${each})`),
      ...dates.map((each) => `epoch_ms(${each}::TIMESTAMP)`),
    ];
    const snapshot = await pinned(
      input({ transform: `SELECT id, [${shown.join(', ')}] AS t FROM input LIMIT 1` }),
    );
    const noon = String(Date.UTC(2025, 0, 31, 12, 30));
    const day = String(Date.UTC(2025, 0, 31));
    const [row] = await rowsOf(snapshot.files[0]?.key ?? '');
    expect(row?.t).toEqual([...asked.map(() => noon), ...dates.map(() => day)]);
  });

  test('sums of whole numbers become BIGINT; two columns of one name and types that Parquet has not are refused', async () => {
    const sum = await pinned(input({ transform: 'SELECT seg, sum(id) AS total FROM input GROUP BY seg' }));
    expect(sum.columns.map(({ type }) => type)).toEqual(['VARCHAR', 'BIGINT']);
    for (const [transform, names] of [
      ['SELECT i.*, s.* FROM input i JOIN side s USING (id)', /two columns .* called id/],
      [`SELECT id, '101'::BIT AS b FROM input`, /column b of its result has the type BIT/],
      ['SELECT id AS file_row_number FROM input', /must not be called file_row_number/],
      ['SELECT sum(9000000000000000000 + id) AS s FROM input', /for a row/],
    ] as const)
      await expect(pinned(input({ transform })), transform).rejects.toMatchObject({
        message: expect.stringMatching(names),
      });
  });

  test('a change of the input or of a side input is noticed, and named', async () => {
    const spec = input({ transform: 'SELECT * FROM input' });
    const snapshot = await pinned(spec);
    await checkPreparedUnchanged(spec, snapshot, storage);
    utimesSync(join(folder, 'side.csv'), 1, 1);
    await expect(checkPreparedUnchanged(spec, snapshot, storage)).rejects.toMatchObject({
      code: 'SOURCE_CHANGED',
      message: expect.stringMatching(/^Side input side: .*side\.csv changed/),
    });
    utimesSync(join(folder, 'part=x/a.csv'), 1, 1);
    await expect(checkPreparedUnchanged(spec, snapshot, storage)).rejects.toMatchObject({
      code: 'SOURCE_CHANGED',
      message: expect.stringMatching(/a\.csv changed/),
    });
  });

  test('a side input with a broken line is refused: a row would be missing in silence', async () => {
    writeFileSync(join(folder, 'side.csv'), 'id,w\n1,10\n3\n');
    await expect(pinned(input({ transform: 'SELECT * FROM input' }))).rejects.toMatchObject({
      code: 'SOURCE_CORRUPT',
      message: expect.stringMatching(/^Side input side has 1 malformed record/),
    });
  });

  test('a side input that is not there is named', async () => {
    rmSync(join(folder, 'side.csv'));
    await expect(pinned(input({ transform: 'SELECT * FROM input' }))).rejects.toMatchObject({
      code: 'SOURCE_NOT_FOUND',
      message: expect.stringMatching(/^Side input side: /),
      place: { field: 'input.side_inputs.side.path' },
    });
  });
});
