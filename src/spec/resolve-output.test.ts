import { expect, test } from 'vitest';
import type { Failure } from '../core/errors.ts';
import { parseJobSpec } from './job-spec.ts';

const raw = (output: object, key?: string) => ({
  model_id: 'm.onnx',
  input: { source: 'parquet', path: 'in', ...(key === undefined ? {} : { key }) },
  output: { destination: 'parquet', path: 'out', ...output },
});
const parse = (output: object, key?: string) => parseJobSpec(raw(output, key), { folder: '/w' });
function refusal(output: object, key?: string): Failure {
  try {
    parse(output, key);
  } catch (error) {
    return error as Failure;
  }
  throw new Error('it was not refused');
}

test('short forms are spelled out, formats get their defaults, and parsing the result again changes nothing', () => {
  const spec = parse({
    destination: 'csv',
    softmax: ['logits'],
    flatten: ['a', 'b'],
    argmax: { logits: 'best' },
    top_k: { logits: { k: 3, labels: 'top' } },
    threshold: { sure: { output: 'a[1]', at_least: -0 } },
    constants: { region: 'EU', n: -0, at: { from: 'scored_at' }, on: true },
  });
  expect(spec.output).toMatchObject({
    flatten: { a: '', b: '' },
    argmax: { logits: { label: 'best' } },
    threshold: { sure: { output: 'a[1]', at_least: 0 } },
    constants: { region: 'EU', n: 0, at: { from: 'scored_at' }, on: true },
    compression: 'none',
    escape_formulas: false,
  });
  expect(parseJobSpec(JSON.parse(JSON.stringify(spec)), { folder: '/elsewhere' })).toEqual(spec);
  expect(parse({ destination: 'jsonl', compression: 'zstd' }).output).toMatchObject({ compression: 'zstd' });
  expect(parse({ destination: 'jsonl' }).output).not.toHaveProperty('escape_formulas');
});

test('a Parquet job has no key that it did not have before, so stored jobs keep their identity', () => {
  expect(Object.keys(parse({}).output).sort()).toEqual([
    'allow_non_finite',
    'destination',
    'include',
    'mode',
    'path',
  ]);
});

test.each([
  [{ compression: 'gzip' }, 'output.compression', /Parquet files are compressed inside/],
  [{ escape_formulas: false }, 'output.escape_formulas', /destination csv, not parquet/],
  [{ destination: 'jsonl', escape_formulas: true }, 'output.escape_formulas', /not jsonl/],
  [{ destination: 'csv', compression: 'brotli' }, 'output.compression', /`none`, `gzip` or `zstd`/],
  [{ softmax: ['a', 'a'] }, 'output.softmax', /each once/],
  [{ argmax: { a: {} } }, 'output.argmax.a', /label and score/],
  [{ top_k: { a: { k: 3 } } }, 'output.top_k.a', /k, labels and scores/],
  [{ top_k: { a: { k: 0, labels: 'x' } } }, 'output.top_k.a.k', /k, labels and scores/],
  [{ threshold: { x: { output: 'a' } } }, 'output.threshold.x.at_least', /missing/],
  [{ constants: { x: null } }, 'output.constants.x', /job_id/],
  [{ constants: { x: { from: 'nowhere' } } }, 'output.constants.x.from', /scored_at/],
  [{ flatten: {} }, 'output.flatten', /prefixes/],
])('%j is refused at %s', (output, field, message) => {
  const failure = refusal(output);
  expect(failure).toMatchObject({ code: 'SPEC_INVALID', place: { field } });
  expect(failure.message).toMatch(message);
});

test('a misspelled key of a transform is answered with the keys that there are', () => {
  expect(refusal({ top_k: { a: { k: 1, label: 'x' } } }).message).toMatch(
    /output\.top_k\.a\.label does not exist.*k, labels and scores/s,
  );
});

test.each([
  [{ argmax: { a: { label: 'x', score: 'X' } } }, 'output.argmax.a.score'],
  [{ columns: { a: 'x' }, top_k: { a: { k: 1, labels: 'x' } } }, 'output.top_k.a.labels'],
  [{ threshold: { id: { output: 'a', at_least: 1 } } }, 'output.threshold.id'],
  [{ include: ['region'], constants: { Region: 'EU' } }, 'output.constants.Region'],
])('%j would put two columns of one name into the output', (output, field) => {
  expect(refusal(output, 'id')).toMatchObject({ code: 'COLUMN_AMBIGUOUS', place: { field } });
});
