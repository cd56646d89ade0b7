import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ElementType, NumericValues } from '../core/columns.ts';
import type { FeatureColumn, RejectedRow } from './engine.ts';
import { type EngineFixture, engineFixture } from './engine-fixture.ts';

let fixture: EngineFixture;
beforeAll(async () => {
  fixture = await engineFixture();
});
afterAll(() => fixture[Symbol.asyncDispose]());

interface Read {
  /** Values of each feature of each row, flat, by row number; numbers as text. */
  readonly rows: Map<number, string[][]>;
  readonly rejects: Map<number, RejectedRow>;
  readonly batches: number;
}

async function read(
  select: string,
  features: readonly FeatureColumn[],
  batchRows = 1_000,
  request: { key?: string; where?: string } = {},
): Promise<Read> {
  const path = await fixture.parquet('lists.parquet', select);
  await using reader = await fixture.engine.openShard(
    await fixture.request([path], { features, ...request }),
  );
  const rows = new Map<number, string[][]>();
  let batches = 0;
  for (;;) {
    const batch = await reader.next(batchRows);
    if (batch === null) break;
    batches += 1;
    expect(batch.rows).toBeLessThanOrEqual(batchRows);
    for (let row = 0; row < batch.rows; row += 1) {
      const values = batch.columns.map(({ values: all, offsets }) => {
        const [from, to] = offsets === undefined ? [row, row + 1] : [offsets[row], offsets[row + 1]];
        return Array.from((all as NumericValues).subarray(from, to), String);
      });
      rows.set(batch.rowNumbers[row] as number, values);
    }
    for (const { offsets } of batch.columns) {
      const lengths = new Set(offsets?.slice(1).map((end, row) => end - (offsets[row] as number)));
      expect(lengths.size).toBeLessThanOrEqual(1);
    }
  }
  return { rows, rejects: new Map(reader.rejects.map((reject) => [reject.rowNumber, reject])), batches };
}

const CODES = new Map<string, string>([
  ['null', 'NULL_FEATURE Column l is null.'],
  ['inside', 'NULL_FEATURE The list in column l has a null in it.'],
]);

test('lists are read as they are or rejected by their own row, wherever batches are cut', async () => {
  const element = fc.oneof(
    { weight: 40, arbitrary: fc.integer({ min: -1_000, max: 1_000 }) },
    { weight: 1, arbitrary: fc.constantFrom(2 ** 24 + 1, 2 ** 24, -(2 ** 31)) },
    { weight: 1, arbitrary: fc.constant(null) },
  );
  const list = fc.oneof(
    { weight: 12, arbitrary: fc.array(element, { minLength: 3, maxLength: 3 }) },
    { weight: 3, arbitrary: fc.array(element, { maxLength: 7 }) },
    { weight: 1, arbitrary: fc.constant(null) },
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(list, { minLength: 1, maxLength: 60 }),
      fc.constantFrom<ElementType>('float32', 'int64', 'float64', 'int8'),
      fc.constantFrom(1, 2, 7, 1_000),
      fc.boolean(),
      async (lists, type, batchRows, free) => {
        const literal = lists
          .map((values, row) => `(${row}, ${values === null ? 'NULL' : `[${values.map(String).join(',')}]`})`)
          .join(', ');
        const select = `SELECT n AS id, CAST(l AS INTEGER[]) AS l, n::FLOAT AS x FROM (VALUES ${literal}) t(n, l) ORDER BY n`;
        const features = [
          { column: 'l', type, list: [free ? null : 3] },
          { column: 'x', type: 'float32' },
        ] as const;
        const { rows, rejects } = await read(select, features, batchRows);
        expect(rows.size + rejects.size).toBe(lists.length);
        for (const [row, values] of lists.entries()) {
          const why = flawOf(values, type, free);
          if (why === null) expect(rows.get(row)).toEqual([(values ?? []).map(String), [String(row)]]);
          else expect(`${rejects.get(row)?.code} ${rejects.get(row)?.message}`).toContain(why);
        }
      },
    ),
    { numRuns: 60 },
  );
}, 120_000);

/** By the rules, apart from the product's SQL. */
function flawOf(values: readonly (number | null)[] | null, type: ElementType, free: boolean): string | null {
  if (values === null) return CODES.get('null') ?? '';
  if (values.includes(null)) return CODES.get('inside') ?? '';
  if (!free && values.length !== 3) return 'FEATURE_LENGTH The list in column l is not of length 3.';
  const fits = (value: number): boolean =>
    type === 'int8'
      ? value >= -128 && value <= 127
      : type === 'float32'
        ? Math.fround(value) === value
        : true;
  return values.every((value) => fits(value ?? 0))
    ? null
    : `FEATURE_NOT_EXACT A value in the list of column l does not fit ${type} without loss.`;
}

test('nested lists come out row-major, and ragged ones are rejected though their sum is right', async () => {
  const select = `SELECT * FROM (VALUES
      (0, [[1, 2, 3], [4, 5, 6]]), (1, [[1, 2], [3, 4, 5, 6]]), (2, [[1, 2, 3]]), (3, [[1, 2, 3], NULL]),
      (4, [[1, 2, 3], [4, NULL, 6]]), (5, NULL), (6, [[7, 8, 9], [10, 11, 12]]), (7, [])) t(id, l) ORDER BY id`;
  const { rows, rejects } = await read(select, [{ column: 'l', type: 'float32', list: [2, 3] }]);
  expect([...rows]).toEqual([
    [0, [['1', '2', '3', '4', '5', '6']]],
    [6, [['7', '8', '9', '10', '11', '12']]],
  ]);
  expect([...rejects.values()].map(({ rowNumber, code }) => `${rowNumber} ${code}`)).toEqual([
    '1 FEATURE_LENGTH',
    '2 FEATURE_LENGTH',
    '3 NULL_FEATURE',
    '4 NULL_FEATURE',
    '5 NULL_FEATURE',
    '7 FEATURE_LENGTH',
  ]);
  expect(rejects.get(1)?.message).toBe('The list in column l is not of length 2 x 3.');
});

test('a free dimension takes each length, in batches of one length, and only whole records of it', async () => {
  const lists = ['[1, 2]', '[3, 4]', '[5, 6, 7, 8]', '[9, 10, 11]', '[12, 13]', '[]'];
  const select = `SELECT * FROM (VALUES ${lists.map((list, row) => `(${row}, ${list})`).join(', ')}) t(id, l) ORDER BY id`;
  const { rows, rejects, batches } = await read(select, [{ column: 'l', type: 'float32', list: [null, 2] }]);
  expect([...rows.keys()]).toEqual([0, 1, 2, 4, 5]);
  expect(batches).toBe(4);
  expect([...rejects.values()]).toMatchObject([
    { rowNumber: 3, code: 'FEATURE_LENGTH', message: 'The list in column l is not of length any x 2.' },
  ]);

  const nested = `SELECT * FROM (VALUES (0, [[1], [2]]), (1, [[3, 4], [5, 6]]), (2, [[7, 8], [9]])) t(id, l) ORDER BY id`;
  const inner = await read(nested, [{ column: 'l', type: 'int32', list: [2, null] }]);
  expect([...inner.rows]).toEqual([
    [0, [['1', '2']]],
    [1, [['3', '4', '5', '6']]],
  ]);
  expect(inner.rejects.get(2)?.code).toBe('FEATURE_LENGTH');
});

test('many rows of long lists, with a condition, in files and row groups, keep their own values', async () => {
  const select = `SELECT i AS id, i % 3 = 0 AS keep, [(i * 100 + j)::FLOAT FOR j IN range(100)] AS l FROM range(20000) t(i)`;
  const { rows } = await read(select, [{ column: 'l', type: 'float32', list: [10, 10] }], 700, {
    key: 'id',
    where: 'keep',
  });
  expect(rows.size).toBe(6_667);
  for (const [row, [values]] of rows)
    if (values?.length !== 100 || values[0] !== String(Math.fround(row * 100)))
      expect.unreachable(`row ${row} got ${values?.[0]}`);
});

test('half precision takes what rounds to a finite number, and of whole numbers those that it holds', async () => {
  const values = [0, 2_048, 2_049, 2_050, 4_098, 4_097, -65_504, 65_505, 65_520, 70_000, 1e-9, 65_519];
  const select = `SELECT i AS id, v, v::INTEGER AS w, [v] AS l FROM (SELECT unnest(range(${values.length})) AS i, unnest([${values.map((value) => `${value}::DOUBLE`).join(', ')}]) AS v)`;
  const fractions = await read(select, [{ column: 'v', type: 'float16' }]);
  expect([...fractions.rejects.keys()]).toEqual([8, 9]);
  const inLists = await read(select, [{ column: 'l', type: 'float16', list: [1] }]);
  expect([...inLists.rejects.keys()]).toEqual([8, 9]);
  const whole = await read(select, [{ column: 'w', type: 'float16' }]);
  const held = values.map((value) => {
    const int = Math.round(value);
    return Math.f16round(int) === int;
  });
  expect(values.map((_, row) => whole.rows.has(row))).toEqual(held);
  expect(whole.rejects.get(2)).toMatchObject({ code: 'FEATURE_NOT_EXACT' });
});
