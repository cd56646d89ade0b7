import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { generateCustomers } from '../examples/churn/generate.ts';

const run = promisify(execFile);
const root = join(import.meta.dirname, '..');
const INSTALL_MS = 600_000;

/** The Node that runs the tests comes first, whichever one npm itself would take. */
const env = {
  ...process.env,
  PATH: `${dirname(process.execPath)}${delimiter}${process.env.PATH}`,
  ONNXRUNTIME_NODE_INSTALL: 'skip',
};

let folder: string;
let packed: { readonly filename: string; readonly files: readonly { readonly path: string }[] };

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'batchwright-package-'));
  const args = ['pack', '--json', '--foreground-scripts=false', '--pack-destination', folder];
  packed = JSON.parse((await run('npm', args, { cwd: root, env })).stdout)[0];
  await mkdir(join(folder, 'work'));
  await writeFile(join(folder, 'package.json'), '{ "private": true }\n');
  const install = ['install', '--prefer-offline', '--no-audit', '--no-fund', `./${packed.filename}`];
  await run('npm', install, { cwd: folder, env });
}, INSTALL_MS);

afterAll(() => rm(folder, { recursive: true, force: true }));

test('the package carries what runs and what must be read, and nothing of how it is made', () => {
  const paths = packed.files.map(({ path }) => path);
  for (const needed of ['bin/batchwright.js', 'dist/cli/main.js', 'LICENSE', 'NOTICE', 'README.md']) {
    expect(paths).toContain(needed);
  }
  const surplus = paths.filter((path) =>
    /\.test\.|-conformance\.|\.py$|\.map$|(?<!\.d)\.ts$|^(src|scripts|test|bench)\//.test(path),
  );
  expect(surplus).toEqual([]);
});

test('installed in an empty folder, the command starts', async () => {
  const { stdout } = await run('npx', ['--no-install', 'batchwright', '--version'], { cwd: folder, env });
  expect(stdout).toMatch(/^\d+\.\d+\.\d+/);
});

test('an old Node is told what it lacks in one line, not by a syntax error', async () => {
  const pretendOld = `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.20.2' } })`;
  const args = ['--import', `data:text/javascript,${encodeURIComponent(pretendOld)}`];
  const ended = await batchwright(['--version'], args);
  expect(ended).toEqual({
    code: 2,
    stdout: '',
    stderr: expect.stringMatching(/^batchwright needs Node.js .*20\.20\.2.*\n$/),
  });
});

test('the installed command scores, publishes and verifies; without its model runtime it says what to install', async () => {
  await generateCustomers({ rows: 1_000, seed: 5, folder: join(folder, 'work/data') });
  const features = 'tenure,monthly_charges,total_charges,support_calls,contract_months,paperless_billing';
  const model = join(folder, 'node_modules/batchwright/examples/churn/churn.onnx');
  const job = [
    'run',
    '--model',
    model,
    '--input',
    'data/*.parquet',
    '--key',
    'customer_id',
    '--features',
    features,
  ];

  expect(await batchwright([...job, '--output', 'scores'])).toMatchObject({ code: 0 });
  expect(await batchwright(['verify', 'scores'])).toMatchObject({ code: 0 });

  await rm(join(folder, 'node_modules/onnxruntime-node'), { recursive: true });
  const without = await batchwright([...job, '--output', 'other']);
  expect(without.code).not.toBe(0);
  expect(without.stdout).toContain('RUNTIME_MISSING');
}, 120_000);

/** Runs the installed command in a folder, and with a home (signing key), of its own. */
async function batchwright(
  args: readonly string[],
  nodeArgs: readonly string[] = [],
): Promise<{ code: number; stdout: string; stderr: string }> {
  const command = join(folder, 'node_modules/batchwright/bin/batchwright.js');
  const cwd = join(folder, 'work');
  const home = { PATH: env.PATH, HOME: cwd, USERPROFILE: cwd };
  return run(process.execPath, [...nodeArgs, command, ...args], { cwd, env: home }).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    ({ code, stdout, stderr }) => ({ code, stdout, stderr }),
  );
}
