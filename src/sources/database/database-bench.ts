import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { Failure } from '../../core/errors.ts';
import type { Snapshot } from '../../core/snapshot.ts';
import { quotePath } from '../../data/duckdb.ts';
import { createDataEngine } from '../../data/duckdb-engine.ts';
import { openDatabase } from '../../databases/open-database.ts';
import { type ConnectionSpec, parseConfiguration, requireConnection } from '../../spec/connections.ts';
import type { InputSpec } from '../../spec/job-spec.ts';
import { createLocalStorage } from '../../storage/local.ts';
import { sources } from '../sources.ts';

/** What a database input was pinned as; a row as texts, as DuckDB prints them, a malformed one as its problem. */
export interface PinnedRows {
  readonly snapshot: Snapshot;
  /** `name TYPE`. */
  readonly columns: readonly string[];
  readonly rows: readonly (readonly (string | null)[] | string)[];
}

export interface DatabaseBench extends AsyncDisposable {
  readonly folder: string;
  /** As pin does it; `query`: the input is that query on the connection. */
  pin(input: Partial<InputSpec> & { readonly query?: string }, signal?: AbortSignal): Promise<PinnedRows>;
  /** The failure that pinning ends with, as `CODE message`. */
  refusal(input: Partial<InputSpec>): Promise<string>;
}

/** A workspace with one connection, `db`, as a configuration declares it. */
export async function databaseBench(
  connection: (folder: string) => string,
  maxRows?: number,
): Promise<DatabaseBench> {
  const folder = await mkdtemp(join(tmpdir(), 'database-'));
  const storage = createLocalStorage({ root: '/' });
  const engine = await createDataEngine({
    threads: 2,
    memoryLimitMb: 1_024,
    tempDir: folder,
    allowed: [folder],
  });
  const text = `connections: { db: ${connection(folder)} }`;
  const spec = (): ConnectionSpec =>
    requireConnection('db', parseConfiguration(text, 'batchwright.yaml', folder).connections, null);
  const instance = await DuckDBInstance.create(':memory:');
  const duckdb = await instance.connect();
  await duckdb.run(`SET TimeZone = 'UTC'`);
  let pins = 0;
  const pin: DatabaseBench['pin'] = async (input, signal = new AbortController().signal) => {
    pins += 1;
    const source = input.query === undefined ? 'table' : 'sql';
    const snapshot = await sources[source].pin(
      { source, connection: 'db', ...input },
      {
        storage,
        engine,
        workspace: storage.keyOf(join(folder, `work-${pins}`)),
        parallelFiles: 2,
        signal,
        openDatabase: (name) =>
          openDatabase(name, spec(), { threads: 2, memoryLimitMb: 512, tempDir: folder }),
        ...(maxRows === undefined ? {} : { maxRows }),
      },
    );
    const names = snapshot.columns.map(({ name }) => name);
    const rows: ((string | null)[] | string)[] = [];
    for (const { key } of snapshot.files) {
      const reader = await duckdb.runAndReadAll(
        `SELECT COLUMNS(*)::VARCHAR FROM read_parquet(${quotePath(await storage.localPath(key))})`,
      );
      const found = reader.columnNames();
      const problem = found.indexOf('_batchwright_problem');
      for (const values of reader.getRows() as (string | null)[][]) {
        const said = problem < 0 ? null : (values[problem] ?? null);
        rows.push(said ?? names.map((name) => values[found.indexOf(name)] ?? null));
      }
    }
    return { snapshot, columns: snapshot.columns.map(({ name, type }) => `${name} ${type}`), rows };
  };
  return {
    folder,
    pin,
    async refusal(input) {
      try {
        await pin(input);
        return 'nothing: it was pinned';
      } catch (error) {
        if (error instanceof Failure) return `${error.code} ${error.message}`;
        throw error;
      }
    },
    async [Symbol.asyncDispose]() {
      duckdb.closeSync();
      instance.closeSync();
      await engine[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
