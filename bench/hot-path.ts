import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import duckdb, { type Connection } from '@duckdb/node-bindings';
import type { RecordBatch } from '../src/core/columns.ts';
import type { Binding } from '../src/core/signature.ts';
import { quoteText } from '../src/data/duckdb.ts';
import { createDataEngine } from '../src/data/duckdb-engine.ts';
import type { DataEngine, DescribedFile } from '../src/data/engine.ts';
import { onnx } from '../src/runtimes/onnx/onnx-runtime.ts';
import type { Session } from '../src/runtimes/runtime.ts';
import { mlpModel, treesModel } from '../test/onnx-builder.ts';

/**
 * What one worker does with a shard, against the CPU time of its parts alone, in one run:
 *
 *     node bench/hot-path.ts [--rows 5000000] [--batch 1000,2048,8192] [--model mlp|trees] [--rounds 3]
 *
 * CPU seconds are of the whole process, all threads; the least of the rounds counts. `ratio` is
 * (decode + model + encode) / pipeline.
 */
const { values: options } = parseArgs({
  options: {
    rows: { type: 'string', default: '5000000' },
    batch: { type: 'string', default: '1000,2048,8192' },
    model: { type: 'string', default: 'mlp' },
    rounds: { type: 'string', default: '3' },
  },
});
const rows = Number(options.rows);
const rounds = Number(options.rounds);
const FEATURES = Array.from({ length: 20 }, (_, index) => `f${index}`);
const signal = new AbortController().signal;

const folder = await mkdtemp(join(tmpdir(), 'hot-path-'));
try {
  await main();
} finally {
  await rm(folder, { recursive: true, force: true });
}

async function main(): Promise<void> {
  const connection = await singleThreaded();
  const input = join(folder, 'input.parquet');
  const columns = FEATURES.map((name) => `random()::FLOAT AS ${name}`).join(', ');
  await duckdb.query(connection, 'SELECT setseed(0.5)');
  await duckdb.query(
    connection,
    `COPY (SELECT i AS id, ${columns} FROM range(${rows}) t(i)) TO ${quoteText(input)} (FORMAT parquet, COMPRESSION snappy)`,
  );
  await duckdb.query(
    connection,
    `CREATE TABLE result AS SELECT i AS id, random()::FLOAT AS score FROM range(${rows}) t(i)`,
  );
  const session = await openModel();
  await using engine = await createDataEngine({
    threads: 1,
    memoryLimitMb: 1024,
    tempDir: folder,
    allowed: [folder],
  });
  const [described] = await engine.describe([input], signal);
  if (described === undefined) throw new Error('nothing described');

  const decode = await least(() =>
    duckdb.query(
      connection,
      `SELECT ${FEATURES.map((name) => `last(${name})`).join(', ')} FROM read_parquet(${quoteText(input)})`,
    ),
  );
  const encode = await least(() =>
    duckdb.query(
      connection,
      `COPY result TO ${quoteText(join(folder, 'encoded.parquet'))} (FORMAT parquet, COMPRESSION snappy)`,
    ),
  );
  print('decode only', decode);
  print('encode only', encode);
  for (const batchRows of options.batch.split(',').map(Number)) {
    const model = await least(() => scoreInMemory(session, batchRows));
    const pipeline = await least(() => score(engine, described, session, batchRows));
    print(`model only, batches of ${batchRows}`, model);
    const ratio = (decode.cpuMs + model.cpuMs + encode.cpuMs) / pipeline.cpuMs;
    print(`pipeline, batches of ${batchRows}`, pipeline, `ratio ${ratio.toFixed(3)}`);
  }
}

/** What the encoding and decoding are measured with: no restrictions, but one thread, like a worker. */
async function singleThreaded(): Promise<Connection> {
  const config = duckdb.create_config();
  duckdb.set_config(config, 'threads', '1');
  return duckdb.connect(await duckdb.open(':memory:', config));
}

async function openModel(): Promise<Session> {
  const bytes = options.model === 'trees' ? treesModel() : mlpModel();
  const path = join(folder, 'model.onnx');
  await writeFile(path, bytes);
  const binding: Binding = {
    inputs: [{ input: 'features', type: 'float32', columns: FEATURES, rank: 2 }],
    outputs: [{ output: 'score', column: 'score', type: 'float32', shape: 'scalar' }],
  };
  return onnx.open(
    { path, sha256: createHash('sha256').update(bytes).digest('hex') },
    { binding, threads: 1 },
    signal,
  );
}

async function scoreInMemory(session: Session, batchRows: number): Promise<void> {
  const block = new Float32Array(FEATURES.length * batchRows).map(() => Math.random());
  const batch: RecordBatch = {
    rows: batchRows,
    rowNumbers: new Float64Array(batchRows),
    columns: FEATURES.map((name, index) => ({
      name,
      type: 'float32',
      values: block.subarray(index * batchRows, (index + 1) * batchRows),
    })),
  };
  for (let done = 0; done < rows; done += batchRows) await session.infer(batch, signal);
}

async function score(
  engine: DataEngine,
  file: DescribedFile,
  session: Session,
  batchRows: number,
): Promise<void> {
  const partPath = join(folder, 'part.parquet');
  await rm(partPath, { force: true });
  await using reader = await engine.openShard({
    range: { start: 0, end: rows },
    segments: [{ file: 0, start: 0, end: rows, fileOffset: 0, path: file.path, sourceName: 'input.parquet' }],
    columns: file.columns,
    features: FEATURES.map((column) => ({ column, type: 'float32' })),
    onNull: 'reject',
    key: 'id',
    include: [],
  });
  for (;;) {
    const batch = await reader.next(batchRows);
    if (batch === null) break;
    reader.append(batch.rowNumbers, (await session.infer(batch, signal)).columns);
  }
  await reader.write({
    end: rows,
    outputs: [{ name: 'score', type: 'float32', shape: 'scalar' }],
    partPath,
    rejectsPath: join(folder, 'rejects.parquet'),
    attempt: 1,
  });
}

interface Cost {
  readonly cpuMs: number;
  readonly wallMs: number;
}

/** The cheapest of the rounds: what others do on the machine only adds. */
async function least(run: () => Promise<unknown>): Promise<Cost> {
  let best: Cost | null = null;
  for (let round = 0; round < rounds; round += 1) {
    const cpu = process.cpuUsage();
    const start = performance.now();
    await run();
    const { user, system } = process.cpuUsage(cpu);
    const cost = { cpuMs: (user + system) / 1_000, wallMs: performance.now() - start };
    if (best === null || cost.cpuMs < best.cpuMs) best = cost;
  }
  return best ?? { cpuMs: 0, wallMs: 0 };
}

function print(name: string, { cpuMs, wallMs }: Cost, note = ''): void {
  console.log(
    `${name.padEnd(34)} cpu ${cpuMs.toFixed(0).padStart(6)} ms   wall ${wallMs.toFixed(0).padStart(6)} ms   ${note}`,
  );
}
