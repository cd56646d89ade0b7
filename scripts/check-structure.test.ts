import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { checkStructure } from './check-structure.ts';

const roots: string[] = [];

afterEach(() => {
  for (const root of roots.splice(0)) rmSync(root, { recursive: true });
});

function check(files: Record<string, string>): string[] {
  const root = mkdtempSync(join(tmpdir(), 'structure-'));
  roots.push(root);
  for (const [name, text] of Object.entries({ 'src/core/a.ts': 'export const a = 1;', ...files })) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), text);
  }
  return checkStructure(root).map(({ file, line, message }) => `${file}:${line} ${message}`);
}

test('a tree in order has no violations', () => {
  expect(
    check({
      'src/storage/local.ts':
        "import { readFile } from 'node:fs/promises';\nimport { a } from '../core/a.ts';\nexport const b = [readFile, a, Date.now()];",
      'src/manager/run.ts':
        "import type { Stats } from 'node:fs';\nimport { b } from '../storage/local.ts';\n// Date.now() is passed in\nexport const run = (clock: { now(): number; fetch: () => void }, stats: Stats) => [b, clock.now(), clock.fetch(), stats, new Date(3)];",
      'src/manager/run.test.ts':
        "import { mkdtempSync } from 'node:fs';\nimport { run } from './run.ts';\nrun(mkdtempSync('x'), Date.now());",
      'src/cli/main.ts':
        "import { run } from '../manager/run.ts';\nimport { storage } from '../state/rows.ts';\nrun(storage, setTimeout);",
      'src/state/rows.ts': "import { a } from '../core/a.ts';\nexport const storage = a;",
    }),
  ).toEqual([]);
});

const DIRECTIONS: readonly (readonly [from: string, to: string])[] = [
  ['core', 'spec'],
  ['spec', 'data'],
  ['storage', 'data'],
  ['data', 'storage'],
  ['sinks', 'manager'],
  ['sinks', 'sources'],
  ['runtimes', 'worker'],
  ['registry', 'state'],
  ['compute', 'runtimes'],
  ['lineage', 'data'],
  ['observe', 'spec'],
  ['state', 'manager'],
  ['client', 'http'],
  ['worker', 'state'],
  ['worker', 'manager'],
  ['manager', 'http'],
  ['http', 'state'],
  ['http', 'storage'],
];

test.each(DIRECTIONS)(
  'src/%s may not import src/%s, not even in a test, as a type, or dynamically',
  (from, to) => {
    const target = { [`src/${to}/there.ts`]: 'export const x = 1;' };
    for (const text of [
      `import { x } from '../${to}/there.ts';\nexport const y = x;`,
      `import type { X } from '../${to}/there.ts';\nexport type Y = X;`,
      `export const y = await import('../${to}/there.ts');`,
      `export { x } from '../${to}/there.ts';\nexport const y = 1;`,
    ]) {
      for (const name of ['here.ts', 'here.test.ts']) {
        const found = check({ ...target, [`src/${from}/${name}`]: text });
        expect(found).toHaveLength(1);
        expect(found[0]).toMatch(
          new RegExp(`^src/${from}/${name}:1 src/${from}/ may not import src/${to}/: .{20}`),
        );
      }
    }
  },
);

test('one adapter may not import its sibling, but the registry of adapters may name both', () => {
  const found = check({
    'src/sinks/files/a.ts': "import { b } from '../table/b.ts';\nexport const a = b;",
    'src/sinks/table/b.ts': 'export const b = 1;',
    'src/sinks/sinks.ts':
      "import { a } from './files/a.ts';\nimport { b } from './table/b.ts';\nexport const sinks = { a, b };",
  });
  expect(found).toEqual([expect.stringMatching(/^src\/sinks\/files\/a\.ts:1 .*its sibling/)]);
});

test.each([
  'Date.now()',
  'new Date()',
  'Math.random()',
  'setTimeout(f, 1)',
  'setInterval(f, 1)',
  'performance.now()',
  'fetch(url)',
  'globalThis.fetch',
  'process.env',
  'process.hrtime.bigint()',
  'crypto.randomUUID()',
  'randomBytes(8)',
  '`${Date.now()}`',
])('time, chance and network (%s) are not reached from the manager', (call) => {
  expect(check({ 'src/manager/a.ts': `export const a =\n  ${call};` })).toEqual([
    expect.stringMatching(/^src\/manager\/a\.ts:2 uses .*pass it in/),
  ]);
});

test.each([
  'node:fs',
  'fs',
  'node:fs/promises',
  'node:child_process',
  'node:net',
  'node:http',
  'node:worker_threads',
  'node:os',
  'undici',
])('%s is not imported by a route', (module) => {
  expect(check({ 'src/http/a.ts': `import * as m from '${module}';\nexport const a = m;` })).toEqual([
    expect.stringMatching(/pass it in/),
  ]);
});

test('a cycle is shown as a whole', () => {
  const found = check({
    'src/manager/a.ts': "import { b } from './b.ts';\nexport const a = b;",
    'src/manager/b.ts': "import { c } from './c.ts';\nexport const b = c;",
    'src/manager/c.ts': "import { a } from './a.ts';\nexport const c = () => a;",
  });
  expect(found).toEqual([
    expect.stringMatching(/a\.ts -> src\/manager\/b\.ts -> src\/manager\/c\.ts -> src\/manager\/a\.ts/),
  ]);
});

test.each([
  ['src/core/utils.ts', /is called utils/],
  ['src/core/index.ts', /is called index/],
  ['src/manager/helpers/x.ts', /is called helpers/],
  ['src/core/camelCase.ts', /kebab-case/],
  ['src/plugins/x.ts', /not a folder of the design/],
])('%s is refused', (file, message) => {
  expect(check({ [file]: "import { a } from '../core/a.ts';\nexport const x = a;" }).join('\n')).toMatch(
    message,
  );
});

test('a barrel is refused', () => {
  expect(check({ 'src/core/all.ts': "export * from './a.ts';" })).toEqual([
    expect.stringMatching(/only re-exports/),
  ]);
});

test('nothing published may import what is not', () => {
  expect(check({ 'src/core/b.ts': "import { t } from '../../test/t.ts';\nexport const b = t;" })).toEqual([
    expect.stringMatching(/not below src/),
  ]);
});
