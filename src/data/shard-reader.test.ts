import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Column } from '../core/columns.ts';
import { type EngineFixture, engineFixture, scoreShard } from './engine-fixture.ts';

let fixture: EngineFixture;
beforeAll(async () => {
  fixture = await engineFixture();
});
afterAll(() => fixture[Symbol.asyncDispose]());

const SCORE = [{ name: 'score', type: 'float64', shape: 'scalar' }] as const;

/** Sum of all float64 columns. */
function sum(columns: readonly Column[], rowNumbers: Float64Array): Column[] {
  const values = new Float64Array(rowNumbers.length);
  for (const column of columns) {
    for (let row = 0; row < values.length; row += 1)
      values[row] = (values[row] as number) + Number(column.values[row]);
  }
  return [{ name: 'score', type: 'float64', values }];
}

const features = [
  { column: 'a', type: 'float64' },
  { column: 'b', type: 'float64' },
] as const;

test('no row is lost, doubled or paired with another score, wherever files and shards are cut', async () => {
  const sizes = [3_000, 0, 1, 2_047, 2_048, 2_049, 5_000];
  const paths: string[] = [];
  let first = 0;
  for (const [index, rows] of sizes.entries()) {
    paths.push(
      await fixture.parquet(
        `cut-${index}.parquet`,
        `SELECT i AS id, i::DOUBLE AS a, CASE WHEN i % 97 = 5 THEN NULL ELSE i * 2.0 END::DOUBLE AS b FROM range(${first}, ${first + rows}) t(i)`,
      ),
    );
    first += rows;
  }
  const rows = first;
  let run = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(fc.integer({ min: 1, max: rows - 1 }), { maxLength: 4 }),
      fc.constantFrom(1_000, 2_048, 999, 4_096, 100_000),
      fc.boolean(),
      async (cuts, batchRows, filtered) => {
        run += 1;
        const borders = [0, ...cuts.sort((a, b) => a - b), rows];
        const totals = { scored: 0, rejected: 0, filtered: 0 };
        for (let index = 0; index + 1 < borders.length; index += 1) {
          const range = { start: borders[index] as number, end: borders[index + 1] as number };
          const request = await fixture.request(paths, {
            range,
            features,
            key: 'id',
            ...(filtered ? { where: 'id % 3 <> 0' } : {}),
          });
          const reader = await fixture.engine.openShard(request);
          const { counts } = await scoreShard(
            reader,
            fixture.folder,
            `cuts-${run}-${index}`,
            batchRows,
            SCORE,
            sum,
          );
          totals.scored += counts.scored;
          totals.rejected += counts.rejected;
          totals.filtered += counts.filtered;
        }
        const rejected = `id % 97 = 5`;
        const kept = filtered ? 'id % 3 <> 0' : 'true';
        const [expected] = await fixture.query<Record<string, number>>(
          `SELECT count(*) FILTER (${kept} AND NOT ${rejected}) AS scored, count(*) FILTER (${kept} AND ${rejected}) AS rejected,
                  count(*) FILTER (NOT (${kept})) AS filtered FROM range(${rows}) t(id)`,
        );
        expect(totals).toEqual(expected);
        const parts = `read_parquet('${fixture.folder}/cuts-${run}-?.parquet')`;
        const [found] = await fixture.query(
          `SELECT count(*) AS n, count(DISTINCT id) AS ids, count(*) FILTER (score = id * 3) AS right FROM ${parts}`,
        );
        expect(found).toEqual({ n: totals.scored, ids: totals.scored, right: totals.scored });
        const [lost] = await fixture.query<Record<string, number>>(
          `SELECT count(*) AS n, count(DISTINCT id) AS ids, count(*) FILTER (code = 'NULL_FEATURE' AND ${rejected} AND b IS NULL AND a = id) AS right
           FROM read_parquet('${fixture.folder}/cuts-${run}-?-rejects.parquet', union_by_name = true)`,
        );
        expect(lost).toEqual({ n: totals.rejected, ids: totals.rejected, right: totals.rejected });
      },
    ),
    { numRuns: 12 },
  );
}, 60_000);

test.each([0, 1, 2_047, 2_048, 2_049])('a shard of %i rows comes out whole', async (rows) => {
  const path = await fixture.parquet(
    `n-${rows}.parquet`,
    `SELECT i AS id, i::DOUBLE AS a, 1::DOUBLE AS b FROM range(${rows}) t(i)`,
  );
  const reader = await fixture.engine.openShard(await fixture.request([path], { features, key: 'id' }));
  const written = await scoreShard(reader, fixture.folder, `n-${rows}-out`, 1_000, SCORE, sum);
  expect(written).toMatchObject({
    counts: { read: rows, scored: rows, rejected: 0, filtered: 0 },
    hasPart: rows > 0,
    hasRejects: false,
  });
  if (rows === 0) return;
  const [found] = await fixture.query(`SELECT count(*) AS n FROM '${written.partPath}' WHERE score = id + 1`);
  expect(found).toEqual({ n: rows });
});

test('the columns of one type lie one behind the other, in every batch, also in the last and after a change of size', async () => {
  const path = await fixture.parquet(
    'layout.parquet',
    `SELECT i AS id, i::FLOAT AS x, (i + 0.5)::FLOAT AS y, (i * 2)::FLOAT AS z FROM range(7000) t(i)`,
  );
  const request = await fixture.request([path], {
    features: ['x', 'y', 'z'].map((column) => ({ column, type: 'float32' })),
  });
  await using reader = await fixture.engine.openShard(request);
  let row = 0;
  for (const size of [1_000, 300, 5_000, 2_048]) {
    const batch = await reader.next(size);
    expect(batch?.rows).toBe(Math.min(size, 7_000 - row));
    const rows = batch?.rows ?? 0;
    const [x, y, z] = (batch?.columns ?? []).map((column) => column.values as Float32Array);
    for (const [index, values] of [x, y, z].entries()) {
      expect(values?.length).toBe(rows);
      expect(values?.buffer).toBe(x?.buffer);
      expect(values?.byteOffset).toBe((x?.byteOffset ?? 0) + index * rows * 4);
    }
    for (let at = 0; at < rows; at += 1, row += 1) {
      if (batch?.rowNumbers[at] !== row || x?.[at] !== row || y?.[at] !== row + 0.5 || z?.[at] !== row * 2) {
        expect.unreachable(`row ${row} is wrong`);
      }
    }
  }
  expect(row).toBe(7_000);
  expect(await reader.next(1)).toBeNull();
});

test('null, NaN and values that do not fit are told apart, and everything else is scored', async () => {
  const path = await fixture.parquet(
    'inexact.parquet',
    `SELECT i AS id, CASE i % 5 WHEN 0 THEN NULL WHEN 1 THEN 16777217 WHEN 2 THEN 16777216 WHEN 3 THEN -7 ELSE 9223372036854775807 END AS a,
       CASE WHEN i % 7 = 0 THEN 'nan'::DOUBLE WHEN i % 7 = 1 THEN 1e300 WHEN i % 7 = 2 THEN NULL ELSE 0.1 END AS b,
       CASE WHEN i % 11 = 0 THEN NULL ELSE i END AS k FROM range(20000) t(i)`,
  );
  const request = await fixture.request([path], {
    features: [
      { column: 'a', type: 'float32' },
      { column: 'b', type: 'float32' },
    ],
    where: 'id % 2 = 1',
    key: 'k',
  });
  const reader = await fixture.engine.openShard(request);
  const written = await scoreShard(reader, fixture.folder, 'inexact-out', 1_000, SCORE, sum);
  const [expected] = await fixture.query(
    `WITH r AS (SELECT *, CASE WHEN k IS NULL THEN 'NULL_KEY' WHEN a IS NULL THEN 'NULL_FEATURE' WHEN a > 16777216 THEN 'FEATURE_NOT_EXACT'
        WHEN b IS NULL THEN 'NULL_FEATURE' WHEN b = 1e300 THEN 'FEATURE_NOT_EXACT' END AS code FROM '${path}' WHERE id % 2 = 1)
     SELECT count(*) FILTER (code IS NULL) AS scored, count(*) FILTER (code = 'NULL_KEY') AS key, count(*) FILTER (code = 'NULL_FEATURE') AS nulls,
        count(*) FILTER (code = 'FEATURE_NOT_EXACT') AS inexact FROM r`,
  );
  const [found] = await fixture.query(
    `SELECT (SELECT count(*) FROM '${written.partPath}') AS scored, count(*) FILTER (code = 'NULL_KEY') AS key, count(*) FILTER (code = 'NULL_FEATURE') AS nulls,
        count(*) FILTER (code = 'FEATURE_NOT_EXACT') AS inexact FROM '${written.rejectsPath}'`,
  );
  expect(found).toEqual(expected);
  expect(written.counts.filtered).toBe(10_000);
  expect(written.sampleRejects).toHaveLength(5);
});

test('a value that stands for null reaches the model, NaN only where there are floats', async () => {
  const path = await fixture.parquet(
    'stand-in.parquet',
    `SELECT * FROM (VALUES (1, NULL::BIGINT, NULL::DOUBLE), (2, 5, 0.5)) t(id, a, b)`,
  );
  const read = async (onNull: number, type: 'int64' | 'float64') => {
    const request = await fixture.request([path], {
      features: [{ column: type === 'int64' ? 'a' : 'b', type }],
      onNull,
    });
    await using reader = await fixture.engine.openShard(request);
    const batch = await reader.next(10);
    return {
      values: [...(batch?.columns[0]?.values ?? [])],
      rejected: reader.rejects.map(({ code }) => code),
    };
  };
  expect(await read(-1, 'int64')).toEqual({ values: [-1n, 5n], rejected: [] });
  expect(await read(Number.NaN, 'float64')).toEqual({ values: [Number.NaN, 0.5], rejected: [] });
  expect(await read(Number.NaN, 'int64')).toEqual({ values: [5n], rejected: ['NULL_FEATURE'] });
  await expect(read(0.5, 'int64')).rejects.toMatchObject({ code: 'SPEC_INVALID' });
});

test('lists, strings, labels and truth values keep to their rows when rows between them are rejected', async () => {
  const path = await fixture.parquet(
    'shapes.parquet',
    `SELECT i AS id, i::DOUBLE AS a, CASE WHEN i % 4 = 0 THEN NULL ELSE i END::DOUBLE AS b FROM range(130000) t(i)`,
    'ROW_GROUP_SIZE 122880',
  );
  const reader = await fixture.engine.openShard(await fixture.request([path], { features, key: 'id' }));
  const outputs = [
    { name: 'probabilities', type: 'float32', shape: 'list' },
    { name: 'label', type: 'string', shape: 'scalar' },
    { name: 'words', type: 'string', shape: 'list' },
    { name: 'flag', type: 'bool', shape: 'scalar' },
    { name: 'big', type: 'uint64', shape: 'scalar' },
  ] as const;
  const written = await scoreShard(reader, fixture.folder, 'shapes-out', 1_000, outputs, (_, rowNumbers) => {
    const ids = [...rowNumbers];
    const lengths = ids.map((id) => id % 3);
    const offsets = Uint32Array.from([0, ...lengths]);
    for (let at = 1; at < offsets.length; at += 1)
      offsets[at] = (offsets[at] as number) + (offsets[at - 1] as number);
    const flat = ids.flatMap((id) => Array.from({ length: id % 3 }, (_, at) => id + at));
    return [
      { name: 'probabilities', type: 'float32', values: Float32Array.from(flat), offsets },
      { name: 'label', type: 'string', values: ids.map((id) => `é${id} in a text longer than twelve bytes`) },
      { name: 'words', type: 'string', values: flat.map((value) => `w${value}`), offsets },
      { name: 'flag', type: 'bool', values: Uint8Array.from(ids, (id) => id % 2) },
      { name: 'big', type: 'uint64', values: BigUint64Array.from(ids, (id) => 2n ** 64n - 1n - BigInt(id)) },
    ];
  });
  const [found] = await fixture.query(
    `SELECT count(*) AS n, count(*) FILTER (
        probabilities = [(id + j)::FLOAT FOR j IN range(id % 3)] AND words = ['w' || (id + j) FOR j IN range(id % 3)]
        AND label = 'é' || id || ' in a text longer than twelve bytes' AND flag = (id % 2 = 1) AND big = 18446744073709551615::UBIGINT - id::UBIGINT) AS right
     FROM '${written.partPath}'`,
  );
  expect(found).toEqual({ n: 97_500, right: 97_500 });
  expect(written.counts).toEqual({ read: 130_000, scored: 97_500, rejected: 32_500, filtered: 0 });
});

test('a prefix can be written while the scan is ahead, and the same rows give the same bytes', async () => {
  const path = await fixture.parquet(
    'prefix.parquet',
    `SELECT i AS id, i::DOUBLE AS a, 0::DOUBLE AS b FROM range(300000) t(i)`,
  );
  const request = await fixture.request([path], { features, key: 'id' });
  const write = async (name: string, batch: number) =>
    scoreShard(await fixture.engine.openShard(request), fixture.folder, name, batch, SCORE, sum, 50_000);
  const one = await write('prefix-1', 1_000);
  const two = await write('prefix-2', 2_000);
  expect(one.counts).toEqual({ read: 50_000, scored: 50_000, rejected: 0, filtered: 0 });
  expect(
    await fixture.query(`SELECT count(*) AS n, max(id) AS last FROM '${one.partPath}' WHERE score = id`),
  ).toEqual([{ n: 50_000, last: 49_999 }]);
  expect((await readFile(one.partPath)).equals(await readFile(two.partPath))).toBe(true);
});

test('without a key, rows are named by file and row', async () => {
  const paths = [
    await fixture.parquet(
      'place-0.parquet',
      `SELECT i::DOUBLE AS a, NULLIF(i, 3)::DOUBLE AS b FROM range(10) t(i)`,
    ),
    await fixture.parquet('place-1.parquet', `SELECT i::DOUBLE AS a, i::DOUBLE AS b FROM range(10) t(i)`),
    await fixture.parquet(
      'place-2.parquet',
      `SELECT i::DOUBLE AS a, NULLIF(i, 1)::DOUBLE AS b FROM range(10) t(i)`,
    ),
  ];
  const request = await fixture.request(paths, { features, range: { start: 2, end: 25 }, include: ['a'] });
  const written = await scoreShard(
    await fixture.engine.openShard(request),
    fixture.folder,
    'place-out',
    4,
    SCORE,
    sum,
  );
  expect(written.sampleRejects.map(({ key }) => key)).toEqual(['file-0:3', 'file-2:1']);
  const rows = await fixture.query<{ source_file: string; source_row: number; a: number; score: number }>(
    `SELECT * FROM '${written.partPath}'`,
  );
  expect(rows).toHaveLength(21);
  expect(Object.keys(rows[0] ?? {})).toEqual(['source_file', 'source_row', 'a', 'score']);
  expect(rows.map((row) => `${row.source_file}:${row.source_row}`).slice(6, 9)).toEqual([
    'file-0:9',
    'file-1:0',
    'file-1:1',
  ]);
  expect(rows.every((row) => row.a === row.source_row && row.score === row.a * 2)).toBe(true);
});

test('rows that nobody answered, or that are answered twice, do not become a part', async () => {
  const path = await fixture.parquet(
    'account.parquet',
    `SELECT i AS id, i::DOUBLE AS a, 0::DOUBLE AS b FROM range(100) t(i)`,
  );
  const request = await fixture.request([path], { features, key: 'id' });
  const score = (rows: number[]): [Float64Array, Column[]] => [
    Float64Array.from(rows),
    [{ name: 'score', type: 'float64', values: Float64Array.from(rows) }],
  ];
  const target = {
    outputs: SCORE,
    partPath: join(fixture.folder, 'never.parquet'),
    rejectsPath: join(fixture.folder, 'never-r.parquet'),
    attempt: 1,
  };
  await using forgetful = await fixture.engine.openShard(request);
  await forgetful.next(10);
  forgetful.append(...score([0, 1, 2, 4, 5, 6, 7, 8, 9]));
  await expect(forgetful.write({ end: 10, ...target })).rejects.toMatchObject({
    code: 'ACCOUNTING',
    message: expect.stringContaining('Row 3'),
  });

  await using doubling = await fixture.engine.openShard(request);
  await doubling.next(10);
  doubling.append(...score([0, 1, 2]));
  expect(() => doubling.append(...score([2, 3]))).toThrow(/Row 2|row 2/);
  expect(() => doubling.append(...score([5, 4]))).toThrow(/row 4/);
  expect(() => doubling.append(...score([50]))).toThrow(/not handed out/);
  expect(() => doubling.reject({ rowNumber: 1, code: 'MODEL_REFUSED', message: '' })).toThrow(/scored/);
  doubling.append(...score([6, 7]));
  expect(() => doubling.append(...score([4, 5]))).toThrow(/after/);
  await expect(doubling.write({ end: 20, ...target })).rejects.toMatchObject({ code: 'ACCOUNTING' });
});

test('rejects keep the original fields, with other names where ours are taken', async () => {
  const path = await fixture.parquet(
    'names.parquet',
    `SELECT 7 AS id, NULL::DOUBLE AS a, 1::DOUBLE AS b, 'c' AS code, 'd' AS "code_input", [1, 2] AS l`,
  );
  const written = await scoreShard(
    await fixture.engine.openShard(await fixture.request([path], { features, key: 'id' })),
    fixture.folder,
    'names-out',
    10,
    SCORE,
    sum,
  );
  expect(written).toMatchObject({ hasPart: false, hasRejects: true });
  expect(await fixture.query(`SELECT * FROM '${written.rejectsPath}'`)).toEqual([
    {
      id: 7,
      code: 'NULL_FEATURE',
      message: 'Column a is null.',
      attempt: 1,
      a: null,
      b: 1,
      code_input_input: 'c',
      code_input: 'd',
      l: [1, 2],
    },
  ]);
});

test('5,000 columns and a cell of 10 MB go through', async () => {
  const wide = await fixture.parquet(
    'wide.parquet',
    `SELECT i AS id, ${Array.from({ length: 5_000 }, (_, k) => `(i + ${k})::DOUBLE AS c${k}`).join(', ')} FROM range(50) t(i)`,
  );
  const all = Array.from({ length: 5_000 }, (_, k) => ({ column: `c${k}`, type: 'float64' as const }));
  const reader = await fixture.engine.openShard(await fixture.request([wide], { features: all, key: 'id' }));
  const written = await scoreShard(reader, fixture.folder, 'wide-out', 20, SCORE, sum);
  expect(
    await fixture.query(`SELECT count(*) AS n FROM '${written.partPath}' WHERE score = 5000 * id + 12497500`),
  ).toEqual([{ n: 50 }]);

  const big = await fixture.parquet('big.parquet', `SELECT 1 AS id, repeat('é', 5000000) AS t, ['x'] AS l`);
  const request = await fixture.request([big], {
    features: [{ column: 't', type: 'string' }],
    key: 'id',
    include: ['t', 'l'],
  });
  const out = await scoreShard(
    await fixture.engine.openShard(request),
    fixture.folder,
    'big-out',
    10,
    [{ name: 's', type: 'string', shape: 'scalar' }],
    (columns) => [{ name: 's', type: 'string', values: columns[0]?.values as string[] }],
  );
  expect(await fixture.query(`SELECT length(t) AS t, t = s AS same FROM '${out.partPath}'`)).toEqual([
    { t: 5_000_000, same: true },
  ]);
}, 30_000);
