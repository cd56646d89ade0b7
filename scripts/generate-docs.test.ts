import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { generatedDocs, ROOT } from './generate-docs.ts';

test.each(Object.entries(generatedDocs()))(
  '%s is what the code says now (node scripts/generate-docs.ts)',
  (path, content) => {
    expect(readFileSync(join(ROOT, path), 'utf8')).toBe(content);
  },
);

test('no key is left without a sentence', () => {
  const specification = generatedDocs()['docs/job-specification.md'] ?? '';
  expect(specification.split('\n').filter((line) => /^\| `.*\|\s*\|$/.test(line))).toEqual([]);
});
