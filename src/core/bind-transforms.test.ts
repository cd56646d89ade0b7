import { expect, test } from 'vitest';
import { bindConstants } from './bind-constants.ts';
import { bindOutputs } from './bind-outputs.ts';
import type { Failure } from './errors.ts';
import type { OutputTransforms } from './output-transforms.ts';
import type { ModelSignature } from './signature.ts';

/** A scikit-learn classifier, a network with logits of free width, and odd ones. */
const MODEL: ModelSignature = {
  inputs: [],
  outputs: [
    { name: 'label', type: 'string', shape: [null] },
    { name: 'probabilities', type: 'float32', shape: [null, 2], labels: ['no', 'yes'] },
    { name: 'logits', type: 'float32', shape: [null, 3] },
    { name: 'open', type: 'float64', shape: [null, 'K'] },
    { name: 'counts', type: 'int64', shape: [null, 4] },
    { name: 'words', type: 'string', shape: [null, 2] },
  ],
};

const bound = (transforms: OutputTransforms, columns: Record<string, string> = {}) =>
  bindOutputs(MODEL, columns, transforms);
const names = (...args: Parameters<typeof bound>) => bound(...args).map(({ column }) => column);

test('published is what is asked for, in a fixed order, and everything only where nothing is asked for', () => {
  const transforms: OutputTransforms = {
    threshold: { sure: { output: 'probabilities[yes]', at_least: 0.7 } },
    top_k: { logits: { k: 2, labels: 'top', scores: 'top_p' } },
    argmax: { probabilities: { label: 'best', score: 'p' } },
    flatten: { probabilities: 'p_' },
    softmax: ['logits'],
  };
  expect(names(transforms, { label: 'predicted' })).toEqual([
    'predicted',
    'p_no',
    'p_yes',
    'best',
    'p',
    'top',
    'top_p',
    'sure',
  ]);
  expect(names(transforms)[0]).toBe('p_no');
  expect(names({ softmax: ['logits'] })).toEqual(MODEL.outputs.map(({ name }) => name));
});

test('classes without labels are named by number, and are numbers', () => {
  expect(names({ flatten: { logits: 'class_' } })).toEqual(['class_0', 'class_1', 'class_2']);
  expect(bound({ argmax: { logits: { label: 'best' } } })[0]).toMatchObject({
    type: 'int64',
    shape: 'scalar',
  });
  expect(bound({ top_k: { counts: { k: 4, scores: 'c' } } })[0]).toMatchObject({
    type: 'int64',
    shape: 'list',
  });
});

test.each<[string, OutputTransforms, RegExp]>([
  ['softmax of one value', { softmax: ['label'] }, /output\.softmax names 'label', which is one value/],
  ['softmax of whole numbers', { softmax: ['counts'] }, /holds int64, and not fractions/],
  ['softmax of one class', { softmax: ['probabilities[yes]'] }, /is one value/],
  [
    'softmax of what is not published',
    { softmax: ['logits'], argmax: { open: { label: 'x' } } },
    /not published in any way/,
  ],
  [
    'an output that is not there',
    { argmax: { probability: { label: 'x' } } },
    /output\.argmax names 'probability'.*It gives: label/,
  ],
  [
    'a class that is not there',
    { threshold: { x: { output: 'probabilities[maybe]', at_least: 1 } } },
    /threshold\.x names 'probabilities\[maybe\]'/,
  ],
  ['argmax of texts', { argmax: { words: { label: 'x' } } }, /holds string, and not numbers/],
  [
    'threshold of a list',
    { threshold: { x: { output: 'logits', at_least: 1 } } },
    /is a list; name one of its classes/,
  ],
  ['threshold of text', { threshold: { x: { output: 'label', at_least: 1 } } }, /holds string/],
  [
    'more best classes than there are',
    { top_k: { logits: { k: 4, labels: 'x' } } },
    /has 3 classes, so there are no best 4/,
  ],
  ['flatten of a free number of classes', { flatten: { open: '' } }, /does not say how many classes/],
])('%s is refused before anything runs', (_, transforms, message) => {
  let failure: Failure | undefined;
  try {
    bound(transforms);
  } catch (error) {
    failure = error as Failure;
  }
  expect(failure).toMatchObject({ code: 'SPEC_INVALID', message: expect.stringMatching(message) });
});

test('two columns of one name, also in another letter case, are refused', () => {
  const clash = { code: 'COLUMN_AMBIGUOUS', message: expect.stringMatching(/published as '(p_)?yes'/i) };
  expect(() => bound({ flatten: { probabilities: '' }, argmax: { logits: { label: 'YES' } } })).toThrow(
    expect.objectContaining(clash),
  );
  expect(() => bound({ flatten: { probabilities: 'p_' } }, { label: 'p_yes' })).toThrow(
    expect.objectContaining(clash),
  );
});

test('a class without a name cannot name a column, but has a place behind a prefix', () => {
  const odd: ModelSignature = {
    inputs: [],
    outputs: [{ name: 's', type: 'float32', shape: [null, 2], labels: ['', 'a'] }],
  };
  expect(() => bindOutputs(odd, {}, { flatten: { s: '' } })).toThrow(/class ""/);
  expect(bindOutputs(odd, {}, { flatten: { s: 'p_' } }).map(({ column }) => column)).toEqual(['p_', 'p_a']);
});

test('constants: whole numbers stay whole, and facts are those of the job and its model', () => {
  const model = { reference: 'm.onnx', key: 'k', sha256: 'ab'.repeat(32), companions: [] };
  const constants = {
    region: 'EU',
    batch: 7,
    share: 0.5,
    large: 1e300,
    test: false,
    job: { from: 'job_id' },
    version: { from: 'model_version' },
    digest: { from: 'model_sha256' },
    at: { from: 'scored_at' },
  } as const;
  expect(bindConstants({ constants }, { jobId: 'job-1', createdMs: 1_577_836_800_001 }, model)).toEqual([
    { column: 'region', type: 'VARCHAR', value: 'EU' },
    { column: 'batch', type: 'BIGINT', value: 7 },
    { column: 'share', type: 'DOUBLE', value: 0.5 },
    { column: 'large', type: 'DOUBLE', value: 1e300 },
    { column: 'test', type: 'BOOLEAN', value: false },
    { column: 'job', type: 'VARCHAR', value: 'job-1' },
    { column: 'version', type: 'VARCHAR', value: 'abababababab' },
    { column: 'digest', type: 'VARCHAR', value: 'ab'.repeat(32) },
    { column: 'at', type: 'TIMESTAMP WITH TIME ZONE', value: '2020-01-01T00:00:00.001Z' },
  ]);
});
