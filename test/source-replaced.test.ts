import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../src/cli/system-ports.ts';
import type { Lease } from '../src/core/lease.ts';
import type { WorkerContext } from '../src/core/wire.ts';
import { createDataEngine } from '../src/data/duckdb-engine.ts';
import { checkFileUnchanged, fileIdentity } from '../src/data/file-identity.ts';
import type { Session } from '../src/runtimes/runtime.ts';
import { createLocalStorage } from '../src/storage/local.ts';
import { batchSizeOf } from '../src/worker/batch-size.ts';
import { outputPlan } from '../src/worker/derive-outputs.ts';
import { scoreShard } from '../src/worker/score-shard.ts';
import { writeTable } from './support/parquet.ts';

test('a file replaced after its last row was scored, before its keys are read, gives no part with keys of others', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'batchwright-replaced-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  mkdirSync(join(folder, 'staging'));
  const input = join(folder, 'in.parquet');
  await writeTable(input, { rows: 100, features: 1 });
  await writeTable(join(folder, 'other.parquet'), { rows: 100, features: 1, from: 1_000_000 });
  const identity = await fileIdentity(input);
  const storage = createLocalStorage({ root: folder });
  await using engine = await createDataEngine({
    threads: 1,
    memoryLimitMb: 256,
    tempDir: folder,
    allowed: [folder],
  });
  const [described] = await engine.describe([input], new AbortController().signal);

  // The model's answer to the last batch is the last moment before the part is written.
  const session: Session = {
    maxConcurrentBatches: 1,
    async infer(batch) {
      renameSync(join(folder, 'other.parquet'), input);
      return { columns: [{ name: 'y', type: 'float32', values: new Float32Array(batch.rows) }], rejects: [] };
    },
    async [Symbol.asyncDispose]() {},
  };
  const context: WorkerContext = {
    tenant: 'default',
    jobId: 'job-1',
    snapshot: {
      files: [{ key: 'in.parquet', identity, rows: 100, rowGroups: [100] }],
      columns: described?.columns ?? [],
      rows: 100,
    },
    bound: {
      model: { reference: 'm', key: 'm', sha256: '', companions: [] },
      signature: { inputs: [], outputs: [] },
      binding: {
        inputs: [{ input: 'x', type: 'float32', columns: ['f0'], rank: 2 }],
        outputs: [{ output: 'y', column: 'y', type: 'float32', shape: 'scalar' }],
      },
      where: null,
      key: 'id',
      include: [],
    },
    onNull: 'reject',
    allowNonFinite: false,
    stagingPrefix: 'staging',
    batchSize: 1_000,
    batchTimeoutMs: 60_000,
    leaseMs: 60_000,
    threads: 1,
    memoryMb: 512,
  };
  const lease: Lease = {
    tenant: 'default',
    jobId: 'job-1',
    shardId: 0,
    attempt: 1,
    range: { start: 0, end: 100 },
    careful: false,
    condemned: null,
    rejectsLeft: 0,
  };
  const held = {
    lease,
    lost: new AbortController().signal,
    until: () => null,
    progress: () => {},
    enterModel: () => {},
    leaveModel: () => {},
    drop: () => {},
  };
  const scored = scoreShard(lease, held, {
    context,
    engine,
    session,
    plan: outputPlan(context.bound.binding, context.bound.signature),
    storage,
    clock: systemClock,
    batchSize: batchSizeOf(1_000),
    checkUnchanged: (path) => checkFileUnchanged(path, identity),
    suspect: async () => {},
    drain: new AbortController().signal,
  });
  await expect(scored).rejects.toMatchObject({ code: 'SOURCE_CHANGED', place: { file: input } });
  expect(
    readdirSync(join(folder, 'staging'), { recursive: true }).filter((name) => String(name).includes('.')),
  ).toEqual([]);
});
