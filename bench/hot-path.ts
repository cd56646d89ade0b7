import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createDataEngine } from '../src/data/duckdb-engine.ts';
import type { DataEngine, DescribedFile } from '../src/data/engine.ts';
import type { Session } from '../src/runtimes/runtime.ts';
import { mlpModel, treesModel } from '../test/onnx-builder.ts';
import {
  type Cost,
  costOf,
  decode,
  encode,
  FEATURES,
  openModel,
  prepareResult,
  scoreInMemory,
  singleThreaded,
  writeInput,
} from './stages.ts';

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
  await writeInput(connection, [input], rows);
  await prepareResult(connection, rows);
  const session = await openModel(options.model === 'trees' ? treesModel() : mlpModel(), folder);
  await using engine = await createDataEngine({
    threads: 1,
    memoryLimitMb: 1024,
    tempDir: folder,
    allowed: [folder],
  });
  const [described] = await engine.describe([input], signal);
  if (described === undefined) throw new Error('nothing described');

  const decoding = await least(() => decode(connection, [input]));
  const encoding = await least(() => encode(connection, join(folder, 'encoded.parquet')));
  print('decode only', decoding);
  print('encode only', encoding);
  for (const batchRows of options.batch.split(',').map(Number)) {
    const model = await least(() => scoreInMemory(session, rows, batchRows));
    const pipeline = await least(() => score(engine, described, session, batchRows));
    print(`model only, batches of ${batchRows}`, model);
    const ratio = (decoding.cpuMs + model.cpuMs + encoding.cpuMs) / pipeline.cpuMs;
    print(`pipeline, batches of ${batchRows}`, pipeline, `ratio ${ratio.toFixed(3)}`);
  }
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

/** The cheapest of the rounds: what others do on the machine only adds. */
async function least(run: () => Promise<unknown>): Promise<Cost> {
  let best: Cost | null = null;
  for (let round = 0; round < rounds; round += 1) {
    const cost = await costOf(run);
    if (best === null || cost.cpuMs < best.cpuMs) best = cost;
  }
  return best ?? { cpuMs: 0, wallMs: 0 };
}

function print(name: string, { cpuMs, wallMs }: Cost, note = ''): void {
  console.log(
    `${name.padEnd(34)} cpu ${cpuMs.toFixed(0).padStart(6)} ms   wall ${wallMs.toFixed(0).padStart(6)} ms   ${note}`,
  );
}
