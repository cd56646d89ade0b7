import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { clientOf } from '../src/cli/connect.ts';
import { openEmbeddedManager } from '../src/cli/embedded-manager.ts';
import { openStateFolder } from '../src/cli/state-folder.ts';
import type { Compute, FleetRequest } from '../src/compute/compute.ts';
import { mlpModel } from './onnx-builder.ts';
import { featureNames, sql, writeTable } from './support/parquet.ts';

const MAIN = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url));

test('a worker needs nothing but the URL, its token and the storage, which it may see under another path', async () => {
  const home = mkdtempSync(join(tmpdir(), 'batchwright-alone-'));
  onTestFinished(() => rmSync(home, { recursive: true, force: true }));
  const store = join(home, 'store');
  mkdirSync(join(store, 'data'), { recursive: true });
  await writeTable(join(store, 'data', 'in.parquet'), { rows: 50_000, features: 20 });
  writeFileSync(join(store, 'model.onnx'), mlpModel());
  const elsewhere = join(home, 'elsewhere');
  mkdirSync(elsewhere);
  // Where the worker sees the storage; the manager's paths mean nothing there.
  symlinkSync(store, join(elsewhere, 'mount'));

  const { promise: wanted, resolve: want } = Promise.withResolvers<FleetRequest>();
  const nobody: Compute = {
    slots: 1,
    memoryMb: 4_096,
    provision(request) {
      want(request);
      return { workers: () => [], scaleUp: () => {}, stop: async () => {} };
    },
  };
  const manager = await openEmbeddedManager(openStateFolder(join(home, 'state')), {
    work: true,
    storageRoot: store,
    workspace: join(store, 'workspace'),
    compute: nobody,
  });
  onTestFinished(() => manager.close());
  const client = clientOf(manager.endpoint, 3);
  const { job_id } = await client.submit(
    {
      model_id: join(store, 'model.onnx'),
      input: { source: 'parquet', path: join(store, 'data'), key: 'id', features: featureNames(20) },
      output: { destination: 'parquet', path: join(store, 'out') },
    },
    { requestId: 'worker-alone', fresh: false, adopt: false },
  );
  const { managerUrl, token } = await wanted;

  // Standard input is no pipe of a parent, the environment is empty, the folder is empty.
  const worker = spawn(
    process.execPath,
    [MAIN, 'worker', '--manager', managerUrl, '--storage', join(elsewhere, 'mount')],
    {
      cwd: elsewhere,
      env: { BATCHWRIGHT_TOKEN: token },
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  );
  let log = '';
  worker.stderr.on('data', (chunk: Buffer) => {
    log += chunk.toString();
  });
  const [code] = await once(worker, 'exit');
  expect(code, log).toBe(0);

  await expect.poll(async () => (await client.status(job_id)).status, { timeout: 60_000 }).toBe('completed');
  expect((await client.status(job_id)).counts.scored).toBe(50_000);
  const [row] = await sql(
    `SELECT count(DISTINCT id) AS ids FROM read_parquet('${store}/out/part-*.parquet')`,
  );
  expect(row).toEqual({ ids: '50000' });
}, 120_000);
