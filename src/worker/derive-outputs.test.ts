import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bindOutputs } from '../core/bind-outputs.ts';
import type { Column, ElementType, Values } from '../core/columns.ts';
import type { OutputTransforms } from '../core/output-transforms.ts';
import type { ModelSignature, OutputSpec } from '../core/signature.ts';
import { outputPlan, storedColumns } from './derive-outputs.ts';

/** Few distinct numbers, so that ties are common; all that a model can answer. */
const score = fc.constantFrom(0, -0, 1, -1, 0.5, 0.7, 1e38, -1e38, 1e-45, Infinity, -Infinity, Number.NaN);
const finite = fc.constantFrom(0, -0, 1, -1, 0.5, 0.7, 3e38, -3e38, 88, -88, 1e-30);
const matrix = (value: fc.Arbitrary<number>) =>
  fc
    .integer({ min: 1, max: 6 })
    .chain((width) => fc.array(fc.array(value, { minLength: width, maxLength: width }), { maxLength: 8 }));

function list(name: string, table: readonly (readonly number[])[], type: ElementType): Column {
  const offsets = new Uint32Array(table.length + 1);
  for (const [row, values] of table.entries()) offsets[row + 1] = (offsets[row] as number) + values.length;
  const flat = table.flat();
  const values: Values =
    type === 'int64'
      ? BigInt64Array.from(flat, (value) => BigInt(Math.trunc(Math.max(-9, Math.min(9, value || 0)))))
      : type === 'float32'
        ? Float32Array.from(flat)
        : Float64Array.from(flat);
  return { name, type, values, offsets };
}

/** A column as one value, or one list, for each row. */
function rowsOf({ values, offsets }: Column, rows: number): unknown[] {
  return Array.from({ length: rows }, (_, row) =>
    offsets === undefined ? values[row] : Array.from(values.slice(offsets[row], offsets[row + 1]) as never),
  );
}

function run(
  table: readonly (readonly number[])[],
  type: ElementType,
  columns: Record<string, string>,
  transforms: OutputTransforms,
  labels?: readonly (string | number)[],
): Record<string, unknown[]> {
  const output: OutputSpec = {
    name: 's',
    type,
    shape: [null, labels?.length ?? table[0]?.length ?? 1],
    ...(labels && { labels }),
  };
  const signature: ModelSignature = { inputs: [], outputs: [output] };
  // One class would be one value, not a list.
  if (output.shape[1] === 1 && labels === undefined) Object.assign(output, { shape: [null, null] });
  const bound = bindOutputs(signature, columns, transforms);
  const plan = outputPlan({ inputs: [], outputs: bound }, signature);
  const whole = list('s', table, type);
  const given = plan.fetched.map(({ element }): Column => {
    if (element === undefined) return whole;
    const picked = list(
      's',
      table.map((row) => [row[element] as number]),
      type,
    );
    return { name: 's', type, values: picked.values };
  });
  const before = whole.values.slice();
  const derived = plan.derive(given, table.length);
  expect(whole.values).toEqual(before);
  const stored = storedColumns({ inputs: [], outputs: bound });
  expect(derived.map(({ name, type }) => [name, type])).toEqual(stored.map(({ name, type }) => [name, type]));
  return Object.fromEntries(
    derived.map((column, index) => {
      const { labels } = stored[index] ?? {};
      const values =
        labels === undefined
          ? column.values
          : Array.from(column.values as Int32Array, (place) => labels[place - 1] ?? '');
      return [column.name, rowsOf({ ...column, values }, table.length)];
    }),
  );
}

/** NaN first, then from great to small; ties in the order of the classes. */
function ranked(values: readonly (number | bigint)[]): number[] {
  const isNan = (value: number | bigint) => Number.isNaN(value);
  return values
    .map((value, index) => ({ value, index }))
    .sort((a, b) => {
      if (isNan(a.value) !== isNan(b.value)) return isNan(a.value) ? -1 : 1;
      if (a.value === b.value || isNan(a.value)) return a.index - b.index;
      return a.value > b.value ? -1 : 1;
    })
    .map(({ index }) => index);
}

describe('against a program that looks at one row at a time', () => {
  test.each(['float32', 'float64', 'int64'] as const)('argmax and top_k of %s, with ties and NaN', (type) => {
    fc.assert(
      fc.property(matrix(score), fc.integer({ min: 1, max: 6 }), (table, k) => {
        const width = table[0]?.length ?? 1;
        const most = Math.min(k, width);
        const found = run(
          table,
          type,
          {},
          {
            argmax: { s: { label: 'best', score: 'p' } },
            top_k: { s: { k: most, labels: 'top', scores: 'ps' } },
          },
        );
        for (const [row, values] of rowsOf(list('s', table, type), table.length).entries()) {
          const scores = values as number[];
          const order = ranked(scores);
          expect(found.best?.[row]).toBe(BigInt(order[0] as number));
          expect(found.p?.[row]).toBe(scores[order[0] as number]);
          expect(found.top?.[row]).toEqual(order.slice(0, most).map(BigInt));
          expect(found.ps?.[row]).toEqual(order.slice(0, most).map((index) => scores[index]));
        }
      }),
    );
  });

  test('softmax: probabilities of each record sum to 1, also of scores at the limits of float32', () => {
    fc.assert(
      fc.property(matrix(finite), (table) => {
        const { p } = run(table, 'float64', { s: 'p' }, { softmax: ['s'] });
        for (const [row, scores] of table.entries()) {
          const max = Math.max(...scores);
          const powers = scores.map((each) => Math.exp(each - max));
          const sum = powers.reduce((a, b) => a + b, 0);
          expect(p?.[row]).toEqual(powers.map((power) => power / sum));
          expect(((p?.[row] ?? []) as number[]).reduce((a, b) => a + b, 0)).toBeCloseTo(1, 12);
        }
      }),
    );
  });

  test('whatever is made of an output after softmax is made of the probabilities', () => {
    fc.assert(
      fc.property(matrix(finite), (table) => {
        const width = table[0]?.length ?? 1;
        const transforms = {
          softmax: ['s'],
          argmax: { s: { score: 'p' } },
          top_k: { s: { k: 1, scores: 'top' } },
          ...(width > 1
            ? { flatten: { s: 'p_' }, threshold: { sure: { output: 's[0]', at_least: 0.5 } } }
            : {}),
        };
        const all = run(table, 'float32', { s: 'probabilities' }, transforms);
        for (const row of table.keys()) {
          const probabilities = all.probabilities?.[row] as number[];
          expect(all.p?.[row]).toBe(Math.max(...probabilities));
          expect(all.top?.[row]).toEqual([Math.max(...probabilities)]);
          if (width === 1) continue;
          expect(probabilities.map((_, element) => all[`p_${element}`]?.[row])).toEqual(probabilities);
          expect(all.sure?.[row]).toBe((probabilities[0] as number) >= 0.5 ? 1 : 0);
        }
      }),
    );
  });

  test('threshold: reached by equality, never by NaN', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(score, score), { minLength: 1 }),
        fc.constantFrom(0, -1, 0.5, 1e38),
        (table, limit) => {
          const { over } = run(
            table,
            'float64',
            {},
            { threshold: { over: { output: 's[1]', at_least: limit } } },
          );
          expect(over).toEqual(table.map(([, second]) => (second >= limit ? 1 : 0)));
        },
      ),
    );
  });
});

test('a float32 that prints as 0.7 reaches the limit 0.7', () => {
  expect(run([[0, 0.7]], 'float32', {}, { threshold: { over: { output: 's[1]', at_least: 0.7 } } })).toEqual({
    over: [1],
  });
});

test('classes come out as the model names them: text, whole numbers, and those beyond 2^53 exactly', () => {
  const best = (labels: readonly (string | number)[]) =>
    run(
      [
        [0.1, 0.9],
        [0.9, 0.1],
      ],
      'float32',
      {},
      { argmax: { s: { label: 'l' } }, top_k: { s: { k: 2, labels: 't' } } },
      labels,
    );
  expect(best(['no', 'yes'])).toEqual({
    l: ['yes', 'no'],
    t: [
      ['yes', 'no'],
      ['no', 'yes'],
    ],
  });
  expect(best([7, -3])).toEqual({
    l: [-3n, 7n],
    t: [
      [-3n, 7n],
      [7n, -3n],
    ],
  });
  expect(best([7, '9007199254740993']).l).toEqual([9007199254740993n, 7n]);
});

test('softmax of what is not finite is NaN for the whole record, as in SciPy, and for no other record', () => {
  const { p } = run(
    [
      [1, Number.NaN],
      [1, Infinity],
      [-Infinity, -Infinity],
      [-Infinity, 3],
      [0, 0],
    ],
    'float64',
    { s: 'p' },
    { softmax: ['s'] },
  );
  expect(p).toEqual([
    [NaN, NaN],
    [NaN, NaN],
    [NaN, NaN],
    [0, 1],
    [0.5, 0.5],
  ]);
});

test('a model that gives a record no scores, or more than it has labels, is named', () => {
  const best = { argmax: { s: { label: 'l' } } };
  expect(() => run([[1, 2, 3]], 'float32', {}, best, ['a', 'b'])).toThrow(/'s' of the model has 2 classes/);
  expect(() => run([[]], 'float32', {}, best, ['a', 'b'])).toThrow(/'s' of the model gave no score/);
  expect(() => run([[1]], 'float32', { 's[b]': 'second' }, { softmax: ['s'] }, ['a', 'b'])).toThrow(
    /gave no \[1\]/,
  );
});

test('without transforms, columns go through untouched', () => {
  const column = list('s', [[1, 2]], 'float32');
  const signature: ModelSignature = {
    inputs: [],
    outputs: [{ name: 's', type: 'float32', shape: [null, 2] }],
  };
  const plan = outputPlan({ inputs: [], outputs: bindOutputs(signature, { s: 'renamed' }) }, signature);
  expect(plan.derive([column], 1)[0]).toBe(column);
});
