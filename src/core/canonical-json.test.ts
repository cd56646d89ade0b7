import fc from 'fast-check';
import { expect, test } from 'vitest';
import { canonicalJson } from './canonical-json.ts';

test('the order of members does not change the spelling, at any depth', () => {
  expect(canonicalJson({ b: [{ d: 1, c: 2 }], a: null })).toBe('{"a":null,"b":[{"c":2,"d":1}]}');
  expect(canonicalJson({ a: null, b: [{ c: 2, d: 1 }] })).toBe('{"a":null,"b":[{"c":2,"d":1}]}');
});

test('the order of a list does', () => {
  expect(canonicalJson([1, 2])).not.toBe(canonicalJson([2, 1]));
});

test('an absent member and an undefined one are the same', () => {
  expect(canonicalJson({ a: undefined })).toBe('{}');
});

test.each([Number.NaN, Number.POSITIVE_INFINITY, 1n, () => 1, [undefined]])(
  'what JSON cannot hold is refused, not written as null',
  (value) => {
    expect(() => canonicalJson(value)).toThrow(TypeError);
  },
);

test('whatever JSON holds comes back the same', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
    }),
  );
});
