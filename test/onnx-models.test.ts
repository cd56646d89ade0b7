import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../src/cli/system-ports.ts';
import type { Lease } from '../src/core/lease.ts';
import type { TaskJob, TaskWork, WorkerContext } from '../src/core/wire.ts';
import { createDataEngine } from '../src/data/duckdb-engine.ts';
import { pin } from '../src/manager/tasks/pin.ts';
import { createLocalRegistry } from '../src/registry/local/local-registry.ts';
import { sha256OfFile } from '../src/registry/model-bytes.ts';
import { onnx } from '../src/runtimes/onnx/onnx-runtime.ts';
import { type JobSpec, parseJobSpec } from '../src/spec/job-spec.ts';
import { createLocalStorage } from '../src/storage/local.ts';
import { batchSizeOf } from '../src/worker/batch-size.ts';
import { outputPlan } from '../src/worker/derive-outputs.ts';
import { scoreShard } from '../src/worker/score-shard.ts';
import { pythonEnvironment } from './python-environment.ts';
import { startCli } from './support/cli.ts';
import { sql } from './support/parquet.ts';
import { expectCompleted } from './support/workshop.ts';

const run = promisify(execFile);
const INSTALL_MS = 900_000;

interface ModelCase {
  readonly name: string;
  readonly features?: NonNullable<JobSpec['input']['features']>;
  readonly outputs?: readonly string[];
}

/** Of the cases, those that are run as whole jobs, with processes of their own. */
const WHOLE_JOBS = [
  'mixed-columns',
  'lightgbm-classes',
  'conv-nested-list',
  'fixed-batch-8',
  'half-precision',
  'pytorch-embedding-dynamo',
];

test("the answers of models of many kinds are those of Python's onnxruntime, key by key", {
  timeout: INSTALL_MS,
}, async (context) => {
  const environment = await pythonEnvironment('models', join(import.meta.dirname, 'models/requirements.txt'));
  if ('missing' in environment) return context.skip(environment.missing);
  const folder = await mkdtemp(join(tmpdir(), 'batchwright-models-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await run(environment.python, ['-B', join(import.meta.dirname, 'models/make.py'), folder]);
  const cases = JSON.parse(await readFile(join(folder, 'cases.json'), 'utf8')) as ModelCase[];
  expect(cases.length).toBeGreaterThanOrEqual(60);
  const wrong: string[] = [];
  for (const each of cases) {
    const failed = await differences(folder, each).catch((error: unknown) => [String(error)]);
    wrong.push(...failed.slice(0, 2).map((what) => `${each.name}: ${what}`));
  }
  expect(wrong).toEqual([]);
});

/** Where the product's answers are not those expected; empty: nowhere. */
async function differences(folder: string, each: ModelCase): Promise<string[]> {
  const whole = WHOLE_JOBS.includes(each.name);
  const found = await (whole ? runJob(folder, each) : scoreHere(folder, each));
  const [got, wanted] = await Promise.all(
    [found, `${folder}/${each.name}.expected.parquet`].map((path) => sql(`FROM '${path}' ORDER BY id`)),
  );
  if (wanted === undefined || got?.length !== wanted.length)
    return [`${got?.length} of ${wanted?.length} rows`];
  return wanted.flatMap((row, at) =>
    Object.entries(row).flatMap(([name, value]) => {
      const answer = got[at]?.[name];
      const same = near(answer, value);
      return same ? [] : [`id ${row.id}: ${name} is ${JSON.stringify(answer)}, not ${JSON.stringify(value)}`];
    }),
  );
}

/** Numbers to within 1e-5 of the larger of them and 1; all else exactly. */
function near(a: unknown, b: unknown): boolean {
  if (typeof a === 'number' && typeof b === 'number')
    return Math.abs(a - b) <= 1e-5 * Math.max(1, Math.abs(b));
  if (Array.isArray(a) && Array.isArray(b))
    return a.length === b.length && a.every((item, at) => near(item, b[at]));
  return Object.is(a, b);
}

function specOf(folder: string, { name, features, outputs }: ModelCase): Record<string, unknown> {
  return {
    model_id: `${folder}/${name}.onnx`,
    input: {
      source: 'parquet',
      path: `${folder}/${name}.parquet`,
      key: 'id',
      ...(features === undefined ? {} : { features }),
    },
    output: {
      destination: 'parquet',
      path: `${folder}/${name}.out`,
      ...(outputs === undefined
        ? {}
        : { columns: Object.fromEntries(outputs.map((output) => [output, output])) }),
    },
    config: { batch_size: 64, parallelism: 1 },
  };
}

async function runJob(folder: string, each: ModelCase): Promise<string> {
  const file = join(folder, `${each.name}.yaml`);
  await writeFile(file, JSON.stringify(specOf(folder, each)));
  expectCompleted(await startCli(['run', file, '--json', '--state', `${folder}/state`], folder).ended);
  return `${folder}/${each.name}.out/part-*.parquet`;
}

/** Pins and scores as task and worker do, in this process, all rows as one shard. */
async function scoreHere(folder: string, each: ModelCase): Promise<string> {
  const storage = createLocalStorage({ root: folder });
  await using engine = await createDataEngine({
    threads: 1,
    memoryLimitMb: 512,
    tempDir: folder,
    allowed: [folder],
  });
  const spec = parseJobSpec(specOf(folder, each), { folder });
  const registry = createLocalRegistry({ companionsOf: onnx.companions });
  const signal = new AbortController().signal;
  const modelSha256 = await sha256OfFile(spec.model_id);
  const job = {
    spec,
    jobId: 'job-1',
    createdMs: 0,
    modelSha256,
    registered: null,
    modelStore: `${each.name}.models`,
  } as unknown as TaskJob;
  const work = { job, lease: { fence: 1 } } as unknown as TaskWork;
  const { snapshot, bound } = await pin(
    work,
    {
      storage,
      engine,
      registry,
      runtime: onnx,
      parallelFiles: 1,
      transform: { threads: 1, memoryLimitMb: 256, tempDir: work.job.workspace },
    },
    signal,
  );
  const path = await storage.localPath(bound.model.key);
  const plan = outputPlan(bound.binding, bound.signature);
  await using session = await onnx.open(
    { path, sha256: modelSha256 },
    { binding: { ...bound.binding, outputs: plan.fetched }, threads: 1 },
    signal,
  );
  const context: WorkerContext = {
    tenant: 'default',
    jobId: 'job-1',
    snapshot,
    bound,
    onNull: 'reject',
    allowNonFinite: false,
    stagingPrefix: `${each.name}.staging`,
    batchSize: 64,
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
    range: { start: 0, end: snapshot.rows },
    careful: false,
    condemned: null,
    rejectsLeft: 0,
  };
  const held = {
    lease,
    lost: signal,
    until: () => null,
    progress: () => {},
    enterModel: () => {},
    leaveModel: () => {},
    drop: () => {},
  };
  const outcome = await scoreShard(lease, held, {
    context,
    engine,
    session,
    plan,
    storage,
    clock: systemClock,
    batchSize: batchSizeOf(Math.min(64, bound.binding.batchRows ?? 64)),
    checkUnchanged: async () => {},
    suspect: async () => {},
    drain: signal,
  });
  if (outcome.kind === 'nothing') throw new Error('nothing was scored');
  const { part, sampleRejects } = await outcome.seal();
  if (part === null || sampleRejects.length > 0) throw new Error(JSON.stringify(sampleRejects));
  return storage.localPath(part.key);
}
