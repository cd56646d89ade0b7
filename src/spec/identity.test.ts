import fc from 'fast-check';
import { expect, test } from 'vitest';
import { jobIdentity } from './identity.ts';
import { type JobSpec, parseJobSpec } from './job-spec.ts';

const RAW = {
  model_id: 'm.onnx',
  input: { source: 'parquet', path: ['a', 'b'], key: 'id', features: ['x', 'y'] },
  output: { destination: 'parquet', path: 'out', include: ['c'] },
};

function parsed(raw: unknown): JobSpec {
  return parseJobSpec(raw, { folder: '/jobs' });
}

const identity = jobIdentity('default', parsed(RAW));

function shuffled(value: unknown, seed: number): unknown {
  if (Array.isArray(value)) return value.map((item) => shuffled(item, seed));
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value).map(([key, member]) => [key, shuffled(member, seed)] as const);
  return Object.fromEntries(
    members.toSorted(([a], [b]) => ((a.length * 7 + seed) % 5) - ((b.length * 7 + seed) % 5)),
  );
}

test('key order, spelled-out defaults, execution settings and what is said about a job do not make it another job', () => {
  fc.assert(
    fc.property(
      fc.nat(),
      fc.integer({ min: 1, max: 10_000 }),
      fc.nat(),
      fc.string({ minLength: 1, unit: 'grapheme-ascii' }),
      (seed, workers, budget, name) => {
        const raw = {
          ...RAW,
          name,
          owner: name,
          tags: { a: name },
          provenance: { a: name },
          config: { parallelism: workers, batch_size: workers, error_budget: budget },
          output: { ...RAW.output, mode: 'error' },
        };
        expect(jobIdentity('default', parsed(shuffled(raw, seed)))).toBe(identity);
      },
    ),
  );
});

test.each([
  ['another model', { ...RAW, model_id: 'n.onnx' }],
  ['another input', { ...RAW, input: { ...RAW.input, path: ['a'] } }],
  ['files in another order', { ...RAW, input: { ...RAW.input, path: ['b', 'a'] } }],
  ['features in another order', { ...RAW, input: { ...RAW.input, features: ['y', 'x'] } }],
  ['another condition', { ...RAW, input: { ...RAW.input, where: 'x > 1' } }],
  ['another limit', { ...RAW, input: { ...RAW.input, limit: 1 } }],
  ['another destination', { ...RAW, output: { ...RAW.output, path: 'out2' } }],
  ['another mode', { ...RAW, output: { ...RAW.output, mode: 'append' } }],
  ['other columns', { ...RAW, output: { ...RAW.output, include: [] } }],
])('%s is another job', (_, raw) => {
  expect(jobIdentity('default', parsed(raw))).not.toBe(identity);
});

test('tenants do not find each other’s jobs', () => {
  expect(jobIdentity('other', parsed(RAW))).not.toBe(identity);
});

test('the identity of a stored job can be found again by later versions', () => {
  expect(identity).toBe('1ed54c1d6ffe4dd2bdaa0b0354305e626a95f7ba11ba07ff512546b350b50f0f');
});
