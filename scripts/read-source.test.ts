import { expect, test } from 'vitest';
import { readSource } from './read-source.ts';

test('imports are found in all their forms, with their lines', () => {
  const source = readSource(`import a from './a.ts';
import type { B } from "./b.ts";
import {
  c,
  type D,
} from './c.ts';
import './d.ts';
import * as e from './e.ts';
export { f } from './f.ts';
export type { G } from './g.ts';
export * from './h.ts';
const i = await import('./i.ts');
`);
  expect(source.imports).toEqual([
    { from: './a.ts', line: 1, typeOnly: false },
    { from: './b.ts', line: 2, typeOnly: true },
    { from: './c.ts', line: 3, typeOnly: false },
    { from: './d.ts', line: 7, typeOnly: false },
    { from: './e.ts', line: 8, typeOnly: false },
    { from: './f.ts', line: 9, typeOnly: false },
    { from: './g.ts', line: 10, typeOnly: true },
    { from: './h.ts', line: 11, typeOnly: false },
    { from: './i.ts', line: 12, typeOnly: false },
  ]);
});

test('what stands in comments, strings, templates and regular expressions is no code', () => {
  const { code, imports } = readSource(
    [
      "// import x from './x.ts'; Date.now()",
      "/* Date.now() 'unclosed */",
      `const a = "import y from './y.ts'; it's Date.now()";`,
      "const b = `Date.now() ${'Date.now()'} Date.now()`;",
      'const c = /[\'"`]Date.now()[/]\\//.test(a) ? 1 : 2;',
      "const d = 'it\\'s Date.now()' + \"\\\\\";",
    ].join('\n'),
  );
  expect(code).not.toContain('Date.now');
  expect(imports).toEqual([]);
  expect(code.split('\n')).toHaveLength(6);
});

test('code in a template, and code after a division, is code', () => {
  expect(readSource('const a = `x ${Date.now() + `${Math.random()}`} y`;').code).toMatch(
    /Date\.now.*Math\.random/,
  );
  expect(readSource('const a = b / 2; Date.now(); const c = 1 / 2;').code).toContain('Date.now');
  expect(readSource('const a = (b) / 2; Date.now(); c[1] / 2;').code).toContain('Date.now');
});

test('a file of nothing but re-exports is told from one that also does something', () => {
  expect(
    readSource("// all\nexport * from './a.ts';\nexport { b, type C } from './b.ts';").onlyReexports,
  ).toBe(true);
  expect(readSource("export * from './a.ts';\nexport const b = 1;").onlyReexports).toBe(false);
  expect(readSource('').onlyReexports).toBe(false);
});
