import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import duckdb, { type Connection } from '@duckdb/node-bindings';
import type { RecordBatch } from '../src/core/columns.ts';
import type { Binding } from '../src/core/signature.ts';
import { quoteText, sqlList } from '../src/data/duckdb.ts';
import { onnx } from '../src/runtimes/onnx/onnx-runtime.ts';
import type { Session } from '../src/runtimes/runtime.ts';

/** The three parts of scoring, each alone in this process on one thread: what a job is compared with. */

export const FEATURES = Array.from({ length: 20 }, (_, index) => `f${index}`);

export interface Cost {
  /** User and system time of the whole process, all threads. */
  readonly cpuMs: number;
  readonly wallMs: number;
}

export async function costOf(run: () => Promise<unknown>): Promise<Cost> {
  const cpu = process.cpuUsage();
  const start = performance.now();
  await run();
  const { user, system } = process.cpuUsage(cpu);
  return { cpuMs: (user + system) / 1_000, wallMs: performance.now() - start };
}

/** What decoding and encoding are measured with: no restrictions, but one thread, like a worker. */
export async function singleThreaded(): Promise<Connection> {
  const config = duckdb.create_config();
  duckdb.set_config(config, 'threads', '1');
  return duckdb.connect(await duckdb.open(':memory:', config));
}

/** Writes `id` BIGINT and 20 random FLOAT columns, `rows` to each file; the same values every time. */
export async function writeInput(
  connection: Connection,
  paths: readonly string[],
  rowsEach: number,
): Promise<void> {
  const columns = FEATURES.map((name) => `random()::FLOAT AS ${name}`).join(', ');
  for (const [index, path] of paths.entries()) {
    await duckdb.query(connection, `SELECT setseed(${(index + 1) / 100})`);
    await duckdb.query(
      connection,
      `COPY (SELECT i AS id, ${columns} FROM range(${index * rowsEach}, ${(index + 1) * rowsEach}) t(i))
       TO ${quoteText(path)} (FORMAT parquet, COMPRESSION snappy)`,
    );
  }
}

/** Every value of every column, the key too, is decoded. */
export async function decode(connection: Connection, paths: readonly string[]): Promise<void> {
  const last = ['id', ...FEATURES].map((name) => `last(${name})`).join(', ');
  await duckdb.query(connection, `SELECT ${last} FROM read_parquet(${sqlList(paths)})`);
}

/** A table in memory with the columns of a result, to be encoded. */
export async function prepareResult(connection: Connection, rows: number): Promise<void> {
  await duckdb.query(connection, 'DROP TABLE IF EXISTS result');
  await duckdb.query(
    connection,
    `CREATE TABLE result AS SELECT i AS id, random()::FLOAT AS score FROM range(${rows}) t(i)`,
  );
}

export async function encode(connection: Connection, path: string): Promise<void> {
  await duckdb.query(connection, `COPY result TO ${quoteText(path)} (FORMAT parquet, COMPRESSION snappy)`);
}

export async function openModel(bytes: Uint8Array, folder: string): Promise<Session> {
  const path = join(folder, 'bench-model.onnx');
  await writeFile(path, bytes);
  const binding: Binding = {
    inputs: [{ input: 'features', type: 'float32', columns: FEATURES, rank: 2 }],
    outputs: [{ output: 'score', column: 'score', type: 'float32', shape: 'scalar' }],
  };
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return onnx.open({ path, sha256 }, { binding, threads: 1 }, new AbortController().signal);
}

/** The model on one and the same batch in memory, again and again. */
export async function scoreInMemory(session: Session, rows: number, batchRows: number): Promise<void> {
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
  const { signal } = new AbortController();
  for (let done = 0; done < rows; done += batchRows) await session.infer(batch, signal);
}
