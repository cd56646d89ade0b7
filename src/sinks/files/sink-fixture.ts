import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { copyFile, mkdtemp, readdir, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { StoredFile } from '../../core/lease.ts';
import {
  MANIFEST_PAYLOAD_TYPE,
  MANIFEST_PREDICATE_TYPE,
  MANIFEST_STATEMENT_TYPE,
  type ManifestFile,
} from '../../core/manifest.ts';
import { createDataEngine } from '../../data/duckdb-engine.ts';
import { type EngineFixture, engineFixture } from '../../data/engine-fixture.ts';
import { type JobSpec, parseJobSpec } from '../../spec/job-spec.ts';
import { createLocalStorage } from '../../storage/local.ts';
import type { PublishRequest, Sink, SinkContext } from '../sink.ts';
import type { OnStep } from './assemble.ts';
import type { ProcessPorts } from './claim.ts';
import { createFilesSink } from './files-sink.ts';

export type Mode = JobSpec['output']['mode'];

/** A folder with staged Parquet files, and a destination `out/scores` in it. */
export interface SinkFixture extends AsyncDisposable {
  readonly root: string;
  readonly destination: string;
  readonly engine: EngineFixture;
  readonly context: SinkContext;
  /** A sink as another process would have it, unless the identity is given. */
  sink(options?: { identity?: string; onStep?: OnStep }): Sink;
  /** Stages a file with these numbers, in a column of this type. */
  stage(values: readonly number[], type?: string): Promise<StoredFile>;
  request(jobId: string, mode: Mode, fence: number, parts: readonly StoredFile[], rejects?: readonly StoredFile[]): PublishRequest;
  /** The numbers that a reader of the destination sees, sorted; null: there is nothing to read. */
  visible(): Promise<number[] | null>;
}

export async function sinkFixture(): Promise<SinkFixture> {
  const root = await realpath(await mkdtemp(join(tmpdir(), 'sink-')));
  const destination = join(root, 'out/scores');
  const storage = createLocalStorage({ root: '/' });
  const engine = await engineFixture();
  const context = { engine: openLazily(root), signal: new AbortController().signal };
  return {
    root,
    destination,
    engine,
    context,
    sink: ({ identity = `test:dead:${randomUUID()}`, onStep } = {}) =>
      createFilesSink({ storage, process: portsOf(identity), ...(onStep === undefined ? {} : { onStep }) }),
    async stage(values, type = 'INTEGER') {
      const list = values.map((value) => `(${value})`).join(', ') || '(1)';
      const from = await engine.parquet(
        randomUUID(),
        `SELECT n::${type} AS n FROM (VALUES ${list}) t(n) WHERE ${values.length > 0}`,
      );
      const key = `${storage.keyOf(root)}/staging/${randomUUID()}.parquet`;
      const staged = await storage.stage(key);
      await copyFile(from, staged.path);
      return { key, rows: values.length, ...(await staged.seal()) };
    },
    request: (jobId, mode, fence, parts, rejects = []) =>
      publishRequest({ jobId, mode, fence, parts, rejects, destination }),
    async visible() {
      const files = await dataFiles(destination);
      if (files.length === 0) return null;
      const list = files.map((file) => `'${file}'`).join(', ');
      const rows = await engine.query<{ n: number }>(`SELECT n FROM read_parquet([${list}]) ORDER BY n`);
      return rows.map(({ n }) => Number(n));
    },
    async [Symbol.asyncDispose]() {
      await engine[Symbol.asyncDispose]();
      await rm(root, { recursive: true, force: true });
    },
  };
}

/** What a child process is told, as JSON. */
export interface ChildOrder {
  readonly jobId: string;
  readonly mode: Mode;
  readonly fence: number;
  readonly parts: readonly StoredFile[];
  readonly rejects: readonly StoredFile[];
  readonly destination: string;
  readonly root: string;
  /** Kill -9 at this step, when it is reached for the n-th time. */
  readonly killAt: { readonly step: string; readonly time: number } | null;
  readonly onlyCheck?: boolean;
}

/** Publishes in a process of its own. Resolves when that has ended: with the signal, or what it printed. */
export async function publishInChild(
  order: ChildOrder,
  user: { uid?: number; gid?: number } = {},
): Promise<{ signal: string | null; answer: string; child: ChildProcess }> {
  const script = `import { obey } from ${JSON.stringify(import.meta.filename)}; await obey(${JSON.stringify(order)});`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
    ...user,
  });
  const ended = new Promise<string | null>((resolve) => child.once('exit', (_, signal) => resolve(signal)));
  return { answer: await text(child.stdout), signal: await ended, child };
}

/** What the child does. */
export async function obey(order: ChildOrder): Promise<void> {
  let times = 0;
  const sink = createFilesSink({
    storage: createLocalStorage({ root: '/' }),
    process: portsOf(`test:${process.pid}`),
    onStep(step) {
      if (step === order.killAt?.step && ++times === order.killAt.time) process.kill(process.pid, 'SIGKILL');
    },
  });
  const request = publishRequest(order);
  try {
    if (order.onlyCheck) await sink.check(request);
    else await sink.publish(request, { engine: openLazily(order.root), signal: new AbortController().signal });
    process.stdout.write('done');
  } catch (error) {
    process.stdout.write(String((error as { code?: string }).code ?? error));
  }
}

/** A process of tests is `test:<pid>`, or one that never was. */
export function portsOf(identity: string): ProcessPorts {
  return {
    identity,
    isProvablyDead: (other) => {
      const pid = Number(other.split(':')[1]);
      if (Number.isNaN(pid)) return other.startsWith('test:dead:');
      try {
        process.kill(pid, 0);
        return false;
      } catch (error) {
        return (error as NodeJS.ErrnoException).code === 'ESRCH';
      }
    },
  };
}

/** Files that a reader of datasets takes: no name on the way begins with `_` or `.`. */
async function dataFiles(folder: string): Promise<string[]> {
  const names = await readdir(folder, { recursive: true }).catch(() => []);
  return names
    .filter((name) => name.endsWith('.parquet') && !name.split('/').some((part) => /^[._]/.test(part)))
    .map((name) => join(folder, name));
}

function publishRequest(
  order: Pick<ChildOrder, 'jobId' | 'mode' | 'fence' | 'parts' | 'rejects' | 'destination'>,
): PublishRequest {
  const { jobId, mode, fence, parts, rejects, destination } = order;
  const spec = parseJobSpec(
    { model_id: 'm.onnx', input: { source: 'parquet', path: 'in.parquet' }, output: { destination: 'parquet', path: destination, mode } },
    { folder: '/' },
  );
  return { tenant: 'default', jobId, spec, adopt: false, fence, parts, rejects, manifest: async (files) => manifestOf(jobId, files) };
}

/** A manifest by its form; who signs it is no matter to a sink. */
export function manifestOf(jobId: string, files: readonly ManifestFile[]): Uint8Array {
  const statement = {
    _type: MANIFEST_STATEMENT_TYPE,
    predicateType: MANIFEST_PREDICATE_TYPE,
    subject: files.map(({ path, sha256 }) => ({ name: path, digest: { sha256 } })),
    predicate: { job: { id: jobId } },
  };
  const payload = Buffer.from(JSON.stringify(statement)).toString('base64');
  return Buffer.from(JSON.stringify({ payloadType: MANIFEST_PAYLOAD_TYPE, payload, signatures: [] }));
}

/** Only appending looks into files: the engine, which takes a while to start, is opened when it is needed. */
function openLazily(root: string): SinkContext['engine'] {
  return {
    async describe(paths, signal) {
      const engine = await createDataEngine({ threads: 1, memoryLimitMb: 256, tempDir: root, allowed: [root] });
      try {
        return await engine.describe(paths, signal);
      } finally {
        await engine[Symbol.asyncDispose]();
      }
    },
  };
}
