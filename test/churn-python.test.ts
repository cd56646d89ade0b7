import { execFile } from 'node:child_process';
import { cp, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { DuckDBInstance } from '@duckdb/node-api';
import { expect, test } from 'vitest';
import { generateCustomers } from '../examples/churn/generate.ts';
import { pythonEnvironment } from './python-environment.ts';

const run = promisify(execFile);
const root = join(import.meta.dirname, '..');
const example = join(root, 'examples/churn');
const INSTALL_MS = 600_000;

test("published scores are scikit-learn's own, key by key, and a wrong one is noticed", {
  timeout: INSTALL_MS,
}, async (context) => {
  const environment = await pythonEnvironment('churn', join(example, 'requirements.txt'));
  if ('missing' in environment) return context.skip(environment.missing);
  const folder = await mkdtemp(join(tmpdir(), 'batchwright-churn-'));
  context.onTestFinished(() => rm(folder, { recursive: true, force: true }));
  for (const file of ['job.yaml', 'churn.onnx']) await cp(join(example, file), join(folder, file));
  await generateCustomers({ rows: 20_000, seed: 11, folder: join(folder, 'data') });

  const state = join(folder, 'state');
  await run(process.execPath, [
    join(root, 'src/cli/main.ts'),
    'run',
    join(folder, 'job.yaml'),
    '--state',
    state,
  ]);

  const compare = () => {
    // -B: no __pycache__ in the repository.
    const args = [
      '-B',
      join(example, 'compare.py'),
      '--customers',
      join(folder, 'data'),
      '--scores',
      join(folder, 'scores'),
    ];
    return run(environment.python, args).then(
      ({ stdout }) => ({ code: 0, stdout }),
      ({ code, stdout, stderr }) => ({ code, stdout: stdout + stderr }),
    );
  };
  expect(await compare()).toEqual({
    code: 0,
    stdout: expect.stringContaining('20,000 of 20,000 scores within 1e-05'),
  });

  await changeOneScore(join(folder, 'scores'));
  expect(await compare()).toEqual({
    code: 1,
    stdout: expect.stringContaining('19,999 of 20,000 scores within 1e-05'),
  });
});

/** Adds 2e-5 to one score of a published dataset. */
async function changeOneScore(folder: string): Promise<void> {
  const part = (await readdir(folder)).find((name) => name.endsWith('.parquet'));
  const path = join(folder, part ?? 'no part').replaceAll("'", "''");
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  await connection.run(`CREATE TABLE scores AS FROM '${path}'`);
  await connection.run(
    'UPDATE scores SET p_churn = p_churn + 2e-5 WHERE customer_id = (SELECT min(customer_id) FROM scores)',
  );
  await connection.run(`COPY scores TO '${path}' (FORMAT parquet)`);
  connection.closeSync();
  instance.closeSync();
}
