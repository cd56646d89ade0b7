import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix, relative } from 'node:path';
import { readSource } from './read-source.ts';

/**
 * Checks what keeps the parts of `src/` apart: who may import whom, that time, chance, files, processes and the network
 * are reached in adapters only (elsewhere they are passed in), no dependency cycles, no barrels, no catch-all files.
 * Run as a program it prints each violation with the reason for the rule, and exits with 1.
 */
export interface Violation {
  /** Relative to the root, with `/`. */
  readonly file: string;
  readonly line: number;
  readonly message: string;
}

/** Folders of `src/` that each folder may import, beside itself. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  core: [],
  spec: ['core'],
  storage: ['core'],
  data: ['core', 'spec'],
  databases: ['core', 'spec', 'storage', 'data'],
  sources: ['core', 'spec', 'storage', 'data', 'databases'],
  sinks: ['core', 'spec', 'storage', 'data', 'databases'],
  runtimes: ['core', 'spec', 'storage', 'data'],
  registry: ['core', 'spec', 'storage', 'data'],
  compute: ['core', 'spec', 'storage', 'data'],
  lineage: ['core', 'spec', 'storage'],
  observe: ['core'],
  state: ['core', 'spec'],
  quality: ['core', 'spec', 'data'],
  client: ['core', 'spec'],
  worker: ['core', 'spec', 'storage', 'data', 'runtimes', 'client', 'observe'],
  manager: [
    'core',
    'spec',
    'storage',
    'data',
    'sources',
    'sinks',
    'registry',
    'compute',
    'runtimes',
    'state',
    'lineage',
    'observe',
    'quality',
  ],
  http: ['core', 'spec', 'manager', 'observe'],
  cli: [
    'core',
    'spec',
    'storage',
    'data',
    'databases',
    'sources',
    'sinks',
    'runtimes',
    'registry',
    'compute',
    'lineage',
    'observe',
    'state',
    'quality',
    'client',
    'worker',
    'manager',
    'http',
  ],
};

const WHY: Readonly<Record<string, string>> = {
  core: 'core holds the nouns and pure rules that everything else rests on',
  spec: 'a specification is values; it must be readable without the parts that carry it out',
  storage: 'an adapter must be replaceable without touching anything else',
  data: 'an adapter must be replaceable without touching anything else',
  databases: 'an adapter must be replaceable without touching anything else',
  sources: 'an adapter must be replaceable without touching anything else',
  sinks: 'an adapter must be replaceable without touching anything else',
  runtimes: 'an adapter must be replaceable without touching anything else',
  registry: 'an adapter must be replaceable without touching anything else',
  compute: 'an adapter must be replaceable without touching anything else',
  lineage: 'a manifest must be verifiable without a running system',
  observe: 'everything may log; so logging may depend on nothing',
  state: 'the ledger decides by its own rows alone',
  quality: 'checks look at data, not at how it came about',
  client: 'the client runs in browsers: it knows only values and types',
  worker: 'a worker knows its manager through the protocol alone, also on one machine',
  manager: 'the manager decides; it neither serves HTTP nor does a worker’s work',
  http: 'routes translate: parse, call a use case, reply',
  cli: 'cli wires everything',
};

/** Where time, chance, files, processes and network may be reached. */
const ADAPTERS: ReadonlySet<string> = new Set([
  'storage',
  'data',
  'databases',
  'sources',
  'sinks',
  'runtimes',
  'registry',
  'compute',
  'observe',
  'cli',
]);

/** Single files elsewhere that may, and why. */
const PORT_FILES: Readonly<Record<string, string>> = {
  'src/worker/keeper-thread.ts': 'entry of the lease keeper thread',
  'src/worker/lease-keeper.ts': 'starts the lease keeper thread',
  'src/state/sqlite/ledger-thread.ts': 'entry of the thread that SQLite works in',
  'src/state/sqlite/open-ledger.ts': 'starts the thread that SQLite works in',
  'src/state/sqlite/database.ts': 'opens the database file',
  'src/state/sqlite/manager-lock.ts': 'locks the state folder',
  'src/lineage/keys.ts': 'keeps the signing key in a file',
  'src/lineage/verify.ts': 'reads what is verified',
};

const PORT_MODULES: ReadonlySet<string> = new Set([
  'fs',
  'fs/promises',
  'child_process',
  'cluster',
  'net',
  'tls',
  'dgram',
  'dns',
  'dns/promises',
  'http',
  'https',
  'http2',
  'os',
  'timers',
  'timers/promises',
  'worker_threads',
  'perf_hooks',
  'readline',
  'process',
]);

const PORT_CALLS: readonly (readonly [RegExp, string])[] = [
  [/\bDate\.now\b/g, 'Date.now'],
  [/\bnew Date\(\s*\)/g, 'new Date()'],
  [/\bMath\.random\b/g, 'Math.random'],
  [/\bperformance\.now\b/g, 'performance.now'],
  [/\bprocess\.(hrtime|env|argv|exit|kill|cwd|on)\b/g, 'process'],
  [
    /(?<![.\w$])(setTimeout|setInterval|setImmediate|randomUUID|randomBytes|randomInt|getRandomValues)\s*\(/g,
    'timers and chance',
  ],
  [/(?<![.\w$])fetch\s*\(/g, 'fetch'],
  [/(?<!typeof )\bglobalThis\.(fetch|setTimeout|setInterval|crypto|process)\b/g, 'globals'],
  [/\bcrypto\.(randomUUID|randomBytes|getRandomValues)\b/g, 'chance'],
];

const CATCH_ALL = /^(utils?|helpers?|common|misc|shared|index)$/;

export function checkStructure(root: string): Violation[] {
  const files = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => posix.join('src', name.replaceAll('\\', '/')))
    .toSorted();
  const sources = new Map(files.map((file) => [file, readSource(readFileSync(join(root, file), 'utf8'))]));
  const edges = new Map<string, string[]>();
  const violations: Violation[] = [];
  for (const [file, source] of sources) {
    const targets = source.imports.filter((entry) => entry.from.startsWith('.') && !entry.typeOnly);
    edges.set(
      file,
      targets.map((entry) => posix.join(dirname(file), entry.from)),
    );
    violations.push(...nameViolations(file), ...barrelViolations(file, source.onlyReexports));
    for (const { from, line, typeOnly } of source.imports) {
      const message = from.startsWith('.')
        ? directionProblem(file, posix.join(dirname(file), from))
        : portModuleProblem(file, from, typeOnly);
      if (message !== null) violations.push({ file, line, message });
    }
    if (!reachesPorts(file)) violations.push(...portCalls(file, source.code));
  }
  return [...violations, ...cycles(edges), ...staleExceptions(root, sources)];
}

function directionProblem(file: string, target: string): string | null {
  const [, from = '', sub] = file.split('/');
  const [top, to = '', targetSub] = target.split('/');
  if (top !== 'src' && isTest(file)) return null;
  if (top !== 'src') return `imports ${target}, which is not below src/: only src/ is published`;
  const allowed = MAY_IMPORT[from];
  if (allowed === undefined)
    return `src/${from}/ is not a folder of the design: add it to MAY_IMPORT, with what it may import`;
  if (from !== to)
    return allowed.includes(to) ? null : `src/${from}/ may not import src/${to}/: ${WHY[from]}`;
  const siblings =
    ADAPTERS.has(from) && from !== 'cli' && isFolder(file) && isFolder(target) && sub !== targetSub;
  return siblings
    ? `src/${from}/${sub}/ may not import its sibling src/${from}/${targetSub}/: ${WHY[from]}`
    : null;
}

/** Whether it lies in a folder of its own below src/<part>/. */
function isFolder(file: string): boolean {
  return file.split('/').length > 3;
}

function portModuleProblem(file: string, from: string, typeOnly: boolean): string | null {
  if (typeOnly || reachesPorts(file)) return null;
  const name = from.startsWith('node:') ? from.slice(5) : from;
  return PORT_MODULES.has(name) || from === 'undici' ? `imports ${from}: ${PASS_IN}` : null;
}

const PASS_IN = 'pass it in, so that this part runs whole inside a simulation';

function portCalls(file: string, code: string): Violation[] {
  return PORT_CALLS.flatMap(([pattern, name]) =>
    [...code.matchAll(pattern)].map((match) => ({
      file,
      line: lineAt(code, match.index),
      message: `uses ${name} (${match[0].trim()}): ${PASS_IN}`,
    })),
  );
}

function reachesPorts(file: string): boolean {
  return ADAPTERS.has(file.split('/')[1] ?? '') || PORT_FILES[file] !== undefined || isTest(file);
}

/** Tests and what only they use; free in what they reach, not in whom they import. */
function isTest(file: string): boolean {
  return /(\.test|-conformance)\.ts$/.test(file);
}

function nameViolations(file: string): Violation[] {
  const parts = file
    .replace(/(\.test)?\.ts$/, '')
    .split('/')
    .slice(1);
  const bad = parts.find((part) => CATCH_ALL.test(part));
  if (bad !== undefined)
    return [{ file, line: 1, message: `is called ${bad}: name a file after the one concept in it` }];
  const crooked = parts.find((part) => !/^[a-z0-9]+(-[a-z0-9]+)*$/.test(part));
  return crooked === undefined ? [] : [{ file, line: 1, message: `${crooked} is not kebab-case` }];
}

function barrelViolations(file: string, onlyReexports: boolean): Violation[] {
  return onlyReexports
    ? [{ file, line: 1, message: 'only re-exports: import from where things are defined' }]
    : [];
}

/** Cycles of imports that are there at run time; types may refer to each other. */
function cycles(edges: ReadonlyMap<string, readonly string[]>): Violation[] {
  const violations: Violation[] = [];
  const done = new Set<string>();
  const visit = (file: string, trail: readonly string[]): void => {
    const at = trail.indexOf(file);
    if (at >= 0) {
      violations.push({
        file,
        line: 1,
        message: `is part of a cycle: ${[...trail.slice(at), file].join(' -> ')}`,
      });
      return;
    }
    if (done.has(file)) return;
    for (const target of edges.get(file) ?? []) visit(target, [...trail, file]);
    done.add(file);
  };
  for (const file of edges.keys()) visit(file, []);
  return violations;
}

function staleExceptions(root: string, sources: ReadonlyMap<string, unknown>): Violation[] {
  const isThis = relative(root, join(import.meta.dirname, '..')) === '';
  if (!isThis) return [];
  return Object.keys(PORT_FILES)
    .filter((file) => !sources.has(file))
    .map((file) => ({ file, line: 1, message: 'has an exception in PORT_FILES but does not exist' }));
}

function lineAt(code: string, offset: number): number {
  return code.slice(0, offset).split('\n').length;
}

if (import.meta.main) {
  const violations = checkStructure(join(import.meta.dirname, '..'));
  for (const { file, line, message } of violations) console.error(`${file}:${line}: ${message}`);
  console.error(
    violations.length === 0 ? 'structure: in order' : `structure: ${violations.length} violations`,
  );
  process.exitCode = violations.length === 0 ? 0 : 1;
}
