import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import duckdb from '@duckdb/node-bindings';
import { PIECE_COLUMN } from '../../core/malformed-columns.ts';
import type { Snapshot } from '../../core/snapshot.ts';
import { queryJson, quotePath } from '../../data/duckdb.ts';
import { createDataEngine } from '../../data/duckdb-engine.ts';
import type { InputSpec } from '../../spec/job-spec.ts';
import { createLocalStorage } from '../../storage/local.ts';
import type { Storage } from '../../storage/storage.ts';
import { sources } from '../sources.ts';

/** What a pinned input says, and its rows as JSON, malformed ones too. */
export interface PinnedText {
  readonly snapshot: Snapshot;
  readonly rows: readonly Record<string, unknown>[];
}

export interface PinOptions {
  readonly readRows?: boolean;
  /** Every value as DuckDB prints it. */
  readonly asText?: boolean;
  readonly signal?: AbortSignal;
  /** Has DuckDB read these files instead of those that are scanned. */
  readonly misread?: readonly string[];
}

export interface PinBench extends AsyncDisposable {
  /** For inputs. */
  readonly folder: string;
  readonly storage: Storage;
  readonly workspace: string;
  pin(input: Partial<InputSpec> & Pick<InputSpec, 'source'>, options?: PinOptions): Promise<PinnedText>;
  /** Rows of a statement. */
  query<Row>(sql: string): Promise<Row[]>;
}

/** A folder with an engine that pins text files in it, by the same way as a job; without a path, all that lies there. */
export async function pinBench(threads = 1): Promise<PinBench> {
  const home = await mkdtemp(join(tmpdir(), 'pin-'));
  const folder = join(home, 'in');
  const storage = createLocalStorage({ root: '/' });
  const engine = await createDataEngine({ threads, memoryLimitMb: 1_024, tempDir: home, allowed: [home] });
  const free = await duckdb.open(':memory:');
  const connection = await duckdb.connect(free);
  await duckdb.query(connection, `SET TimeZone = 'UTC'`);
  const workspace = storage.keyOf(join(home, 'work'));
  let pins = 0;
  return {
    folder,
    storage,
    workspace,
    query: (sql) => queryJson(connection, sql),
    async pin(input, options = {}) {
      const { readRows = true, signal = new AbortController().signal } = options;
      pins += 1;
      const table: InputSpec = { path: [folder], unique_key: false, on_null: 'reject', ...input };
      const snapshot = await sources[input.source].pin(table, {
        storage,
        engine:
          options.misread === undefined
            ? engine
            : {
                ...engine,
                transcode: (request, stop) =>
                  engine.transcode({ ...request, sources: options.misread ?? [] }, stop),
              },
        workspace: `${workspace}/${pins}`,
        parallelFiles: 2,
        signal,
      });
      const early = await sources[input.source].columnNames(table);
      const pinned = snapshot.columns.map(({ name }) => name);
      if (early !== null && JSON.stringify(early) !== JSON.stringify(pinned))
        throw new Error(
          `at first sight the columns were ${early.join(', ')}, pinned were ${pinned.join(', ')}`,
        );
      const rows: Record<string, unknown>[] = [];
      for (const key of new Set(readRows ? snapshot.files.map((file) => file.key) : [])) {
        for (const row of await queryJson<Record<string, unknown>>(
          connection,
          // Numbers that JSON cannot say come as texts.
          `SELECT COLUMNS(*)${options.asText === true ? '::VARCHAR' : ''} FROM read_parquet(${quotePath(await storage.localPath(key))})`,
        )) {
          const { [PIECE_COLUMN]: _, ...record } = row;
          rows.push(record);
        }
      }
      return { snapshot, rows };
    },
    async [Symbol.asyncDispose]() {
      await engine[Symbol.asyncDispose]();
      duckdb.disconnect_sync(connection);
      duckdb.close_sync(free);
      await rm(home, { recursive: true, force: true });
    },
  };
}
