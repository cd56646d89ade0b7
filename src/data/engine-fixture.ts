import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import duckdb, { type Connection } from '@duckdb/node-bindings';
import type { Column } from '../core/columns.ts';
import { segmentsOf } from '../core/snapshot.ts';
import { queryJson, quoteText } from './duckdb.ts';
import { createDataEngine } from './duckdb-engine.ts';
import type { DataEngine, OutputColumn, ShardReader, ShardRequest, WrittenPart } from './engine.ts';

/** A folder with an engine that may use it, and an unlimited DuckDB beside it to make inputs and look at results. */
export interface EngineFixture extends AsyncDisposable {
  readonly folder: string;
  readonly engine: DataEngine;
  /** Writes the rows of a query to `name` in the folder and returns the path. */
  parquet(name: string, select: string, options?: string): Promise<string>;
  query<Row>(sql: string): Promise<Row[]>;
  /** A request for rows of some files, described by the engine. */
  request(paths: readonly string[], request: Partial<ShardRequest>): Promise<ShardRequest>;
}

export async function engineFixture(): Promise<EngineFixture> {
  const folder = await mkdtemp(join(tmpdir(), 'engine-'));
  const engine = await createDataEngine({
    threads: 1,
    memoryLimitMb: 1024,
    tempDir: folder,
    allowed: [folder],
  });
  const free = await duckdb.open(':memory:');
  const connection: Connection = await duckdb.connect(free);
  await duckdb.query(connection, `SET TimeZone = 'UTC'`);
  return {
    folder,
    engine,
    async parquet(name, select, options = 'ROW_GROUP_SIZE 2048') {
      const path = join(folder, name);
      await duckdb.query(connection, `COPY (${select}) TO ${quoteText(path)} (FORMAT parquet, ${options})`);
      return path;
    },
    query: (sql) => queryJson(connection, sql),
    async request(paths, request) {
      const files = await engine.describe(paths, new AbortController().signal);
      const rows = files.reduce((sum, file) => sum + file.rows, 0);
      const range = request.range ?? { start: 0, end: rows };
      const segments = segmentsOf(files, range).map((segment) => ({
        ...segment,
        path: paths[segment.file] as string,
        sourceName: `file-${segment.file}`,
      }));
      const columns = (files[0]?.columns ?? []).map((column, index) => ({
        ...column,
        neverNull: files.every((file) => file.columns[index]?.neverNull === true),
      }));
      return { columns, features: [], onNull: 'reject', include: [], ...request, range, segments };
    },
    async [Symbol.asyncDispose]() {
      await engine[Symbol.asyncDispose]();
      duckdb.disconnect_sync(connection);
      duckdb.close_sync(free);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Scores every batch with `model` (from the batch's columns to prediction columns), up to `until`, and writes. */
export async function scoreShard(
  reader: ShardReader,
  folder: string,
  name: string,
  batchRows: number,
  outputs: readonly OutputColumn[],
  model: (columns: readonly Column[], rowNumbers: Float64Array) => readonly Column[],
  until = Number.POSITIVE_INFINITY,
): Promise<WrittenPart & { partPath: string; rejectsPath: string; end: number }> {
  let end = 0;
  for (;;) {
    const batch = await reader.next(batchRows);
    end = reader.position;
    if (batch === null) break;
    reader.append(batch.rowNumbers, model(batch.columns, batch.rowNumbers));
    if (end >= until) break;
  }
  const partPath = join(folder, `${name}.parquet`);
  const rejectsPath = join(folder, `${name}-rejects.parquet`);
  const written = await reader.write({ end, outputs, partPath, rejectsPath, attempt: 1 });
  await reader[Symbol.asyncDispose]();
  return { ...written, partPath, rejectsPath, end };
}
