import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  checkedAlias,
  checkedModelName,
  isModelPath,
  modelReferenceText,
  parseModelReference,
} from './model-reference.ts';

test.each(['./churn', 'a/b', '/x', 'churn.onnx', 'CHURN.ONNX', 'a\\b', 'm.pkl'])('%s is a path', (text) => {
  expect(isModelPath(text)).toBe(true);
  expect(() => checkedModelName(text)).toThrow();
});

test.each(['churn', 'churn@3', 'churn@champion', 'churn-1.5', 'onnx'])('%s is no path', (text) => {
  expect(isModelPath(text)).toBe(false);
});

const NAME = fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}$/).filter((name) => !isModelPath(name));
const ALIAS = NAME.filter((alias) => !/^(v?\d+|latest)$/i.test(alias));

test('whatever name, version and alias are allowed, the reference says them and nothing else', () => {
  fc.assert(
    fc.property(NAME, ALIAS, fc.integer({ min: 1, max: 999_999_999 }), (name, alias, version) => {
      checkedModelName(name);
      checkedAlias(alias);
      for (const selector of [null, { alias }, { version }]) {
        const reference = { name, selector };
        expect(parseModelReference(modelReferenceText(reference))).toEqual(reference);
      }
    }),
  );
});

test('any other text is refused as a name, never taken for something', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      try {
        expect(modelReferenceText(parseModelReference(text))).toBe(text);
      } catch (error) {
        expect(error).toMatchObject({ code: 'MODEL_NAME' });
      }
    }),
    { numRuns: 1_000 },
  );
});

test.each(['3', 'v3', 'V12', 'latest', 'LATEST', '', '@', 'a b', 'x'.repeat(101), '-a', '.a'])(
  'the alias %j is refused',
  (alias) => {
    expect(() => checkedAlias(alias)).toThrow(expect.objectContaining({ code: 'MODEL_NAME' }));
  },
);
