import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { systemRandom } from '../src/cli/system-ports.ts';
import { openLedger } from '../src/state/sqlite/open-ledger.ts';
import { runCli, startCli } from './support/cli.ts';

vi.setConfig({ maxConcurrency: 2 });

const home = mkdtempSync(join(tmpdir(), 'batchwright-start-up-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));

/** Loaded before the program: writes the names of all modules that were loaded, JavaScript and addons, at its end. */
const RECORDER = join(home, 'recorder.cjs');
writeFileSync(
  RECORDER,
  `const { registerHooks } = require('node:module');
   const loaded = new Set();
   registerHooks({ load(url, context, next) { loaded.add(url); return next(url, context); } });
   process.on('exit', () => {
     for (const file of Object.keys(require.cache)) loaded.add(file);
     require('node:fs').writeFileSync(process.env.LOADED, [...loaded].join('\\n'));
   });`,
);

async function loadedBy(name: string, args: readonly string[], folder = home): Promise<string[]> {
  const list = join(home, `${name}.txt`);
  const { code, stderr } = await startCli(args, folder, {
    NODE_OPTIONS: `--require ${RECORDER}`,
    LOADED: list,
  }).ended;
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return readFileSync(list, 'utf8').split('\n');
}

const heavy = (loaded: readonly string[]) =>
  [
    '@duckdb',
    'fastify',
    'onnxruntime',
    '/zod/',
    'better-sqlite3',
    '/yaml/',
    '/pino/',
    '/src/manager/',
    '/src/data/duckdb',
  ].filter((part) => loaded.some((url) => url.includes(part)));

describe('what a command does not need is not loaded', () => {
  test.concurrent('help, of everything and of a command, loads no engine, no server, no schema', async () => {
    const loaded = await loadedBy('help', ['--help']);
    expect(loaded.some((url) => url.includes('/commander/'))).toBe(true);
    expect(heavy(loaded)).toEqual([]);
    expect(heavy(await loadedBy('run-help', ['run', '--help']))).toEqual([]);
    expect(heavy(await loadedBy('completion', ['completion', 'bash']))).toEqual([]);
  });

  test.concurrent('jobs, where there are some and no manager lives, loads the ledger and no more', async () => {
    const folder = mkdtempSync(join(home, 'jobs-'));
    const state = join(folder, '.batchwright');
    mkdirSync(state);
    await (await openLedger({ folder: state, random: systemRandom }))[Symbol.asyncDispose]();
    const loaded = await loadedBy('jobs', ['jobs'], folder);
    expect(heavy(loaded)).toEqual(['better-sqlite3', '/src/manager/']);
  });

  test.concurrent('the recorder sees what is loaded: a check of the check', async () => {
    const list = join(home, 'probe.txt');
    const zod = pathToFileURL(join(import.meta.dirname, '../node_modules/zod/index.js')).href;
    writeFileSync(join(home, 'probe.mjs'), `import ${JSON.stringify(zod)};`);
    execFileSync(process.execPath, ['--require', RECORDER, join(home, 'probe.mjs')], {
      env: { ...process.env, LOADED: list },
    });
    expect(heavy(readFileSync(list, 'utf8').split('\n'))).toEqual(['/zod/']);
  });

  test.concurrent('looking at jobs makes no state folder', async () => {
    const folder = mkdtempSync(join(home, 'empty-'));
    const jobs = await runCli(['jobs', '--json'], folder);
    expect(jobs.events).toEqual([{ jobs: [] }]);
    for (const args of [['show'], ['resume'], ['cancel', 'latest'], ['results'], ['rejects']]) {
      const { code, stderr } = await runCli(args, folder);
      expect({ args, code, stderr }).toMatchObject({
        args,
        code: 2,
        stderr: expect.stringContaining('no ledger in .batchwright'),
      });
    }
    expect(readdirSync(folder)).toEqual([]);
  });
});
