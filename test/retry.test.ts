import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { Statement } from '../src/lineage/statement.ts';
import { identityModel } from './onnx-builder.ts';
import { sql } from './support/parquet.ts';
import { type Bench, besideOf, expectCompleted, workshop } from './support/workshop.ts';

vi.setConfig({ maxConcurrency: 2, testTimeout: 180_000 });

const shop = workshop('retry', { model: '../identity.onnx', key: 'id', features: 'x' });
beforeAll(() => writeFileSync(join(shop.home, 'identity.onnx'), identityModel()));
afterAll(() => shop.remove());

const ROWS = 3_000;
const isNull = (row: number) => row % 75 === 10;
const isMalformed = (row: number) => row % 600 === 123;
const clean = (row: number) => `${row},${row / 4},name ${row}`;
const csv = (line: (row: number) => string) =>
  `id,x,name\n${Array.from({ length: ROWS }, (_, row) => line(row)).join('\n')}\n`;
const CLEAN = csv(clean);
const DIRTY = csv((row) =>
  isMalformed(row) ? `${row},oops` : isNull(row) ? `${row},,name ${row}` : clean(row),
);

const jobId = (result: { events: Record<string, unknown>[] }) =>
  (result.events.at(-1) as { job: { job_id: string } }).job.job_id;

/** The export as a person would correct it: each record from its key, or from its line. */
async function repair(bench: Bench, of: string, keep: (row: number) => boolean = () => true): Promise<void> {
  await bench.cli(['rejects', of, '--to', 'repair.parquet', '--state', 'state', '--json']);
  const rows = await sql(
    `SELECT id, source_file, source_line FROM '${join(bench.folder, 'repair.parquet')}'`,
  );
  const lines = rows.flatMap(({ id, source_file: file, source_line: line }) => {
    const row = id === null ? Number(line) - 2 : Number(id);
    return keep(row) ? [`${clean(row)},${file ?? ''},${line ?? ''}`] : [];
  });
  writeFileSync(join(bench.folder, 'repair.csv'), `id,x,name,source_file,source_line\n${lines.join('\n')}\n`);
}

const retry = (bench: Bench, args: readonly string[]) =>
  bench.cli(['retry', ...args, '--state', 'state', '--json']);

const published = (out: string) => sql(`SELECT id, name, y FROM '${out}/*.parquet' ORDER BY ALL`);

function statementIn(out: string): Statement {
  const { payload } = JSON.parse(readFileSync(join(out, '_manifest.json'), 'utf8')) as { payload: string };
  return JSON.parse(Buffer.from(payload, 'base64').toString()) as Statement;
}

async function dirtyJob(
  name: string,
  flags: Record<string, string> = {},
): Promise<Bench & { first: string }> {
  const bench = shop.bench(name);
  writeFileSync(join(bench.folder, 'in.csv'), DIRTY);
  const result = await bench.run({ input: 'in.csv', include: 'name', 'error-budget': '45', ...flags });
  expect(expectCompleted(result).counts).toEqual({ read: 3_000, scored: 2_955, rejected: 45, filtered: 0 });
  return { ...bench, first: jobId(result) };
}

describe('rejected records that were repaired', () => {
  test('make one result with what was scored before: the multiset of a run on clean data', async () => {
    const bench = await dirtyJob('repaired');
    await repair(bench, bench.first);
    const result = await retry(bench, ['latest', '--mode', 'partial', '--repaired', 'repair.csv']);
    const job = expectCompleted(result);
    expect(job.counts).toEqual({ read: 45, scored: 45, rejected: 0, filtered: 0 });
    expect(job.retry).toMatchObject({ of: bench.first, whole: { read: 3_000, scored: 3_000, rejected: 0 } });

    const other = shop.bench('clean');
    writeFileSync(join(other.folder, 'in.csv'), CLEAN);
    expectCompleted(await other.run({ input: 'in.csv', include: 'name' }));
    expect(await published(bench.out)).toEqual(await published(other.out));

    const { predicate } = statementIn(bench.out);
    expect(predicate.counts).toEqual({ read: 3_000, scored: 3_000, rejected: 0, filtered: 0 });
    expect(predicate.retry).toMatchObject({
      of: bench.first,
      mode: 'partial',
      replaces: bench.first,
      repaired: [{ path: join(bench.folder, 'repair.csv') }],
      inputs: [{ jobId: bench.first, rows: 3_000 }],
      counts: { taken: { read: 2_955 }, own: { read: 45 } },
    });
    expect(new Set(predicate.files.map((file) => file.job))).toEqual(new Set([bench.first, job.job_id]));
    expect((await bench.cli(['verify', 'out', '--json'])).code).toBe(0);
    expect(besideOf(bench.out).every((name) => name.endsWith(`old-${job.job_id}`))).toBe(true);
  });
});
