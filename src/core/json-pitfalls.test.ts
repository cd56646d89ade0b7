import fc from 'fast-check';
import { expect, test } from 'vitest';
import { jsonPitfall } from './json-pitfalls.ts';

test.each([
  ['{"a":1,"a":2}', '/a'],
  ['{"a":{"b":1,"c":[0,{"x":1,"x":1}]}}', '/a/c/1/x'],
  ['{"a":1,"\\u0061":2}', '/a'],
  ['{"a/b~":1,"a/b~":2}', '/a~1b~0'],
  ['{"q\\"":1,"q\\"":2}', '/q"'],
  ['[{"a":1},{"b":"}","b":1}]', '/1/b'],
])('%s: a key that stands twice is found', (text, pointer) => {
  expect(jsonPitfall(text)).toEqual({ pointer, what: 'stands twice' });
});

test('one key in several objects, and texts that look like keys, are no doubles', () => {
  expect(jsonPitfall('{"a":{"a":["a","a",{"a":"{\\"a\\":1,\\"a\\":2}"}]},"b":"a"}')).toBeNull();
});

test('nesting without end is stopped', () => {
  expect(jsonPitfall('['.repeat(64) + ']'.repeat(64))).toBeNull();
  expect(jsonPitfall('['.repeat(65) + ']'.repeat(65))?.what).toContain('64 levels');
});

test('no text that was written from a value has a pitfall, but for its depth', () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 6 }), (text) => {
      expect(jsonPitfall(text)).toBeNull();
    }),
  );
});
