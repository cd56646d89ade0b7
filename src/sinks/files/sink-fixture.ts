import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { copyFile, mkdtemp, readdir, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { StoredFile } from '../../core/lease.ts';
import { type EngineFixture, engineFixture } from '../../data/engine-fixture.ts';
import { type JobSpec, parseJobSpec } from '../../spec/job-spec.ts';
import { createLocalStorage } from '../../storage/local.ts';
import type { PublishRequest, Sink, SinkContext } from '../sink.ts';
import type { OnStep } from './assemble.ts';
import { portsOf } from './claim-contender.ts';
import { createFilesSink } from './files-sink.ts';
import { type ChildOrder, engineWhenNeeded, publishRequest } from './publish-child.ts';
import { formatOfFile } from './published-format.ts';

export type Mode = JobSpec['output']['mode'];
/** Of the destination; Parquet unless a test says otherwise. */
export type OutputFormat = Partial<
  Pick<JobSpec['output'], 'destination' | 'compression' | 'escape_formulas'>
>;

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
  request(
    jobId: string,
    mode: Mode,
    fence: number,
    parts: readonly StoredFile[],
    rejects?: readonly StoredFile[],
  ): PublishRequest;
  /** The numbers that a reader of the destination sees, sorted; null: there is nothing to read. */
  visible(): Promise<number[] | null>;
}

export async function sinkFixture(format: OutputFormat = {}): Promise<SinkFixture> {
  const root = await realpath(await mkdtemp(join(tmpdir(), 'sink-')));
  const destination = join(root, 'out/scores');
  const storage = createLocalStorage({ root: '/' });
  const engine = await engineFixture();
  const context = { engine: engineWhenNeeded(root), signal: new AbortController().signal };
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
      publishRequest({
        jobId,
        fence,
        parts,
        rejects,
        staging: `${storage.keyOf(root)}/staging/published`,
        spec: specOf(destination, mode, format),
      }),
    async visible() {
      const files = await dataFiles(destination);
      if (files.length === 0) return null;
      const list = files.map((file) => `'${file}'`).join(', ');
      const reader = `read_${(format.destination ?? 'parquet').replace('jsonl', 'json')}`;
      const columns = reader === 'read_parquet' ? '' : `, columns = {n: 'INTEGER'}`;
      const rows = await engine.query<{ n: number }>(
        `SELECT n FROM ${reader}([${list}]${columns}) ORDER BY n`,
      );
      return rows.map(({ n }) => Number(n));
    },
    async [Symbol.asyncDispose]() {
      await engine[Symbol.asyncDispose]();
      await rm(root, { recursive: true, force: true });
    },
  };
}

/** Publishes in a process of its own. Resolves when that has ended: with the signal, or what it printed. */
export async function publishInChild(
  order: ChildOrder,
  user: { uid?: number; gid?: number } = {},
): Promise<{ signal: string | null; answer: string; child: ChildProcess }> {
  const child = spawn(
    process.execPath,
    [join(import.meta.dirname, 'publish-child.ts'), JSON.stringify(order)],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
      ...user,
    },
  );
  const ended = new Promise<string | null>((resolve) => child.once('exit', (_, signal) => resolve(signal)));
  return { answer: await text(child.stdout), signal: await ended, child };
}

/** Files that a reader of datasets takes: no name on the way begins with `_` or `.`. */
async function dataFiles(folder: string): Promise<string[]> {
  const names = await readdir(folder, { recursive: true }).catch(() => []);
  return names.filter((name) => formatOfFile(name) !== null).map((name) => join(folder, name));
}

function specOf(path: string, mode: Mode, format: OutputFormat): JobSpec {
  const input = { source: 'parquet', path: 'in.parquet' };
  return parseJobSpec(
    { model_id: 'm.onnx', input, output: { destination: 'parquet', path, mode, ...format } },
    { folder: '/' },
  );
}
