import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test, vi } from 'vitest';
import type { JobStatus } from '../src/core/wire.ts';
import { identityModel } from './onnx-builder.ts';
import { sql } from './support/parquet.ts';
import {
  type Bench,
  expectCompleted,
  expectRefused,
  type Flags,
  type Refusal,
  workshop,
} from './support/workshop.ts';

vi.setConfig({ maxConcurrency: 3, testTimeout: 240_000 });

const shop = workshop('retry-refused', { model: 'm.onnx', input: 'in.csv', key: 'id', features: 'x' });
afterAll(() => shop.remove());

/** Rows 0 to 9 with x = id, but for 3 and 7, which have no x; the last two share their key, and are rejected as well. */
const TABLE = `id,x\n${[0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map((id) => `${id},${id === 3 || id === 7 ? '' : id}`).join('\n')}\n20,\n20,\n`;

async function scored(name: string, flags: Flags = {}, table = TABLE): Promise<Bench & { job: JobStatus }> {
  const bench = shop.bench(name);
  writeFileSync(join(bench.folder, 'in.csv'), table);
  writeFileSync(join(bench.folder, 'm.onnx'), identityModel());
  return { ...bench, job: expectCompleted(await bench.run({ 'error-budget': '4', ...flags })) };
}

const retry = (bench: Bench, args: readonly string[]) =>
  bench.cli(['retry', ...args, '--state', 'state', '--json']);

const predictions = (bench: Bench) => sql(`SELECT id, y FROM '${bench.out}/part-*.parquet' ORDER BY id`);

test.concurrent.each<{ what: string; file: string; text: string } & Refusal>([
  {
    what: 'a record that was scored',
    file: 'r.csv',
    text: 'id,x\n3,3\n4,4\n',
    exit: 2,
    code: 'RETRY_KEY_SCORED',
    names: ['record 2 of ', 'r.csv', 'id = 4'],
  },
  {
    what: 'a record of nowhere',
    file: 'r.csv',
    text: 'id,x\n3,3\n99,1\n',
    exit: 2,
    code: 'RETRY_KEY_UNKNOWN',
    names: ['record 2 of ', 'id = 99'],
  },
  {
    what: 'a record without its key',
    file: 'r.csv',
    text: 'id,x\n,3\n',
    exit: 2,
    code: 'RETRY_KEY_UNKNOWN',
    names: ['record 1 of ', 'has no id'],
  },
  {
    what: 'a record twice',
    file: 'r.jsonl',
    text: '{"id":3,"x":3}\n{"id":3,"x":4}\n',
    exit: 2,
    code: 'RETRY_KEY_DUPLICATE',
    names: ['id = 3', 'r.jsonl'],
  },
  {
    what: 'a record that is one of two rejects',
    file: 'r.csv',
    text: 'id,x\n20,1\n',
    exit: 2,
    code: 'RETRY_KEY_DUPLICATE',
    names: ['id = 20'],
  },
  {
    what: 'a column left out',
    file: 'r.csv',
    text: 'id\n3\n',
    exit: 2,
    code: 'COLUMN_MISSING',
    names: ['x', 'r.csv'],
  },
  {
    what: 'a value of another type',
    file: 'r.csv',
    text: 'id,x\n3,many\n',
    exit: 2,
    code: 'SOURCE_CORRUPT',
    names: ['Line 2', 'r.csv'],
  },
  {
    what: 'a torn line',
    file: 'r.csv',
    text: 'id,x\n3\n',
    exit: 2,
    code: 'SOURCE_CORRUPT',
    names: ['Line 2', 'r.csv'],
  },
  {
    what: 'a file of another kind',
    file: 'r.xlsx',
    text: 'id,x\n3,3\n',
    exit: 2,
    code: 'RETRY_UNSUPPORTED',
    names: ['r.xlsx', '.csv'],
  },
  {
    what: 'a file that is not there',
    file: 'r.csv',
    text: '',
    exit: 2,
    code: 'SOURCE_NOT_FOUND',
    names: ['r.csv'],
  },
])(
  '$what: refused, the result stays, and the corrected file is taken by the same command',
  async ({ file, text, ...refusal }) => {
    const bench = await scored(refusal.what.replaceAll(' ', '-'));
    const path = join(bench.folder, file);
    if (text !== '') writeFileSync(path, text);
    const before = await predictions(bench);
    expectRefused(await retry(bench, ['latest', '--repaired', file]), refusal);
    expect(await predictions(bench)).toEqual(before);
    writeFileSync(join(bench.folder, 'good.csv'), 'id,x\n3,3\n7,7\n');
    const job = expectCompleted(await retry(bench, ['latest', '--repaired', 'good.csv']));
    expect(job.retry).toMatchObject({ of: bench.job.job_id, whole: { read: 12, scored: 10, rejected: 2 } });
    expect(await predictions(bench)).toEqual([...Array(10).keys()].map((id) => ({ id: String(id), y: id })));
  },
);

test.concurrent('nothing was rejected, and what was appended: refused by name', async () => {
  const clean = await scored('clean', {}, 'id,x\n1,1\n');
  expectRefused(await retry(clean, ['latest']), {
    exit: 2,
    code: 'RETRY_NOTHING',
    names: ['no rejected', '--mode complete'],
  });
  const appended = await scored('appended', { mode: 'append' });
  expectRefused(await retry(appended, ['latest']), {
    exit: 2,
    code: 'RETRY_UNSUPPORTED',
    names: ['appended', 'input of their own'],
  });
});

test.concurrent('no key, and a column named as the place is: its repair is refused, as it could be of another row', async () => {
  const bench = await scored('place', { key: null }, 'source_row,x\n1,\n0,5\n');
  writeFileSync(join(bench.folder, 'r.csv'), 'source_file,source_row,x\nin.csv,0,5\n');
  expectRefused(await retry(bench, ['latest', '--repaired', 'r.csv']), {
    exit: 2,
    code: 'RETRY_UNSUPPORTED',
    names: ['source_row', 'Correct the input'],
  });
});
