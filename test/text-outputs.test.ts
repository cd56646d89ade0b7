import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { identityModel, listModel } from './onnx-builder.ts';
import { sql } from './support/parquet.ts';
import { expectCompleted, expectNothingAt, expectRefused, workshop } from './support/workshop.ts';

vi.setConfig({ maxConcurrency: 2, testTimeout: 180_000 });

const shop = workshop('text-outputs', {
  model: '../identity.onnx',
  input: 'in.parquet',
  key: 'id',
  features: 'x',
});

beforeAll(() => {
  writeFileSync(join(shop.home, 'identity.onnx'), identityModel());
  writeFileSync(join(shop.home, 'list.onnx'), listModel(3, 1));
});
afterAll(() => shop.remove());

async function table(name: string, select: string) {
  const bench = shop.bench(name);
  await sql(`COPY (${select}) TO '${bench.folder}/in.parquet' (FORMAT parquet)`);
  return bench;
}

const TABLE = `SELECT i AS id, CASE WHEN i <> 2 THEN i / 10::FLOAT END AS x, CASE i WHEN 0 THEN '=1+1' WHEN 1 THEN '' WHEN 3 THEN e'a,"b"\\n' END AS note FROM range(4) t(i)`;
const read = (folder: string, file: string) => readFileSync(join(folder, file), 'utf8');
const partOf = (out: string) => readdirSync(out).find((name) => name.startsWith('part-')) ?? 'no part';

test.concurrent('CSV: rows, rejects alike, verified, and a spreadsheet is not obeyed', async () => {
  const bench = await table('csv', TABLE);
  const { job_id: id } = expectCompleted(
    await bench.run({ destination: 'csv', include: 'note', 'escape-formulas': true, 'error-budget': '1' }),
  );
  expect(read(bench.out, `part-${id}-00000.csv`)).toBe(
    'id,note,y\n0,\'=1+1,0.0\n1,"",0.1\n3,"a,""b""\n",0.3\n',
  );
  const rejects = read(bench.out, `_rejects/rejects-${id}-00000.csv`).split('\n');
  expect(rejects[0]).toBe('id,code,message,attempt,x,note');
  expect(rejects[1]).toMatch(/^2,NULL_FEATURE,.*,1,,$/);
  const verified = await bench.cli(['verify', 'out']);
  expect([verified.code, verified.stdout]).toEqual([0, expect.stringContaining('2 files')]);
  const manifest = JSON.parse(read(bench.out, '_manifest.json'));
  const { predicate } = JSON.parse(Buffer.from(manifest.payload, 'base64').toString('utf8'));
  expect(predicate.columns).toEqual([
    { name: 'id', type: 'BIGINT' },
    { name: 'note', type: 'VARCHAR' },
    { name: 'y', type: 'FLOAT' },
  ]);
  expect(predicate.files).toMatchObject([
    { rows: 3, shard: { range: { start: 0, end: 4 } } },
    { rows: 1, shard: { range: { start: 0, end: 4 } } },
  ]);
  writeFileSync(join(bench.out, `part-${id}-00000.csv`), "id,note,y\n0,'=1+1,9.9\n");
  expect((await bench.cli(['verify', 'out'])).stderr).toContain('VERIFY_PART_CHANGED');
});

test.concurrent('JSON Lines, compressed: lists are carried, appending adds files', async () => {
  const bench = await table('jsonl', 'SELECT i AS id, i::FLOAT AS x FROM range(3) t(i)');
  const flags = { model: '../list.onnx', destination: 'jsonl', compression: 'zstd', mode: 'append' };
  expectCompleted(await bench.run(flags));
  expectCompleted(await bench.run(flags));
  expect(await sql(`SELECT id, y FROM read_json('${bench.out}/*/part-*.jsonl.zst') ORDER BY id`)).toEqual(
    [0, 0, 1, 1, 2, 2].map((i) => ({ id: String(i), y: [i, 2 * i, 3 * i] })),
  );
  expectRefused(await bench.run({ ...flags, columns: 'y=z' }), {
    exit: 2,
    code: 'SCHEMA_MISMATCH',
    names: ['z', 'y'],
  });
  expectRefused(await bench.run({ ...flags, compression: null, destination: 'csv', columns: 'y[0]=y' }), {
    exit: 2,
    code: 'SCHEMA_MISMATCH',
    names: ['jsonl', 'csv'],
  });
});

test.concurrent('what CSV cannot carry is refused by name before a row is scored', async () => {
  const bench = await table(
    'refused',
    `SELECT i AS id, i::FLOAT AS x, [i] AS tags, 'a'::BLOB AS raw FROM range(3) t(i)`,
  );
  for (const [flags, name] of [
    [{ model: '../list.onnx', destination: 'csv' }, 'y'],
    [{ destination: 'csv', include: 'tags' }, 'tags'],
    [{ destination: 'jsonl', include: 'raw' }, 'raw'],
  ] as const) {
    const result = await bench.run(flags);
    expectRefused(result, { exit: 2, code: 'COLUMN_TYPE', names: [`"${name}"`, 'parquet'] });
    expect(result.events.some(({ job }) => (job as { counts?: { read: number } })?.counts?.read)).toBe(false);
    expectNothingAt(bench.out);
  }
  // Only what is published counts: the lists stay in the input, and in rejects they stay Parquet.
  expectCompleted(await bench.run({ destination: 'csv' }));
  expect(existsSync(join(bench.out, partOf(bench.out)))).toBe(true);
});

test.concurrent('no scored rows: a head, or an empty file', async () => {
  const bench = await table('empty', 'SELECT i AS id, i::FLOAT AS x FROM range(3) t(i)');
  expectCompleted(await bench.run({ destination: 'csv', where: 'id > 5' }));
  expect(read(bench.out, partOf(bench.out))).toBe('id,y\n');
  expectCompleted(await bench.run({ destination: 'jsonl', where: 'id > 5', output: 'lines' }));
  const lines = join(bench.folder, 'lines');
  expect(read(lines, partOf(lines))).toBe('');
});

test.concurrent.each(['csv', 'jsonl'])(
  '%s that was published can be looked at, asked and exported like Parquet',
  async (kind) => {
    const bench = await table(`look-${kind}`, TABLE);
    expectCompleted(
      await bench.run({ destination: kind, include: 'note', 'error-budget': '1', compression: 'gzip' }),
    );
    const results = await bench.cli(['results', 'out', '--where', 'y >= 0.1', '--json']);
    expect([results.code, results.stdout]).toEqual([
      0,
      '{"id":1,"note":"","y":0.1}\n{"id":3,"note":"a,\\"b\\"\\n","y":0.3}\n',
    ]);
    const exported = await bench.cli(['rejects', 'out', '--to', 'repair.csv']);
    expect([exported.code, exported.stderr]).toEqual([0, expect.anything()]);
    const [, row] = read(bench.folder, 'repair.csv').split('\n');
    expect(row).toMatch(/^"NULL_FEATURE",.*,"?2"?,,$/);
  },
);
