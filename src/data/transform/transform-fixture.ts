import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import duckdb from '@duckdb/node-bindings';
import type { SourceColumn } from '../../core/snapshot.ts';
import type { JoinSpec } from '../../spec/job-spec.ts';
import { queryJson, quotePath, quoteText } from '../duckdb.ts';
import { runTransform, type Transformed } from './run-transform.ts';
import type { ReadTable, TransformSettings } from './transform-database.ts';

/** A table made by SQL, for tests. */
export interface MadeTable {
  readonly sql: string;
  readonly join?: JoinSpec;
}

export interface Prepared<Row> extends Transformed {
  readonly rows: readonly Row[];
}

export interface TransformBench extends AsyncDisposable {
  /** For secrets and targets of attacks; nothing in it may be reached. */
  readonly folder: string;
  /** Runs a preparation over tables that are made for it, and reads its result (every value as text) in its order. */
  prepare<Row = Record<string, string | null>>(
    input: string,
    sides: Readonly<Record<string, MadeTable>>,
    select: string | null,
    options?: { readonly signal?: AbortSignal; readonly settings?: Partial<TransformSettings> },
  ): Promise<Prepared<Row>>;
  /** All files there are, below the folder and where the results go. */
  files(): string[];
}

export async function transformBench(): Promise<TransformBench> {
  const home = mkdtempSync(join(tmpdir(), 'transform-'));
  const folder = join(home, 'outside');
  for (const name of ['outside', 'in', 'out', 'temp']) mkdirSync(join(home, name));
  writeFileSync(join(folder, 'secret.csv'), 'secret\n42\n');
  const free = await duckdb.open(':memory:');
  const connection = await duckdb.connect(free);
  await duckdb.query(connection, `SET TimeZone = 'UTC'`);
  let runs = 0;

  async function makeTable(name: string, sql: string): Promise<ReadTable> {
    const path = join(home, 'in', `${name}-${runs}.parquet`);
    await duckdb.query(connection, `COPY (${sql}) TO ${quoteText(path)} (FORMAT parquet)`);
    const columns = await queryJson<{ column_name: string; column_type: string }>(
      connection,
      `SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM read_parquet(${quotePath(path)}))`,
    );
    const [count] = await queryJson<{ n: number }>(
      connection,
      `SELECT count(*) AS n FROM ${quotePath(path)}`,
    );
    return {
      name,
      columns: columns.map(
        ({ column_name, column_type }): SourceColumn => ({
          name: column_name,
          type: column_type,
          neverNull: false,
        }),
      ),
      files: [{ path, rows: count?.n ?? 0 }],
    };
  }

  return {
    folder,
    async prepare<Row>(
      input: string,
      sides: Readonly<Record<string, MadeTable>>,
      select: string | null,
      options: { readonly signal?: AbortSignal; readonly settings?: Partial<TransformSettings> } = {},
    ) {
      runs += 1;
      const target = join(home, 'out', `${runs}.parquet`);
      const sideInputs = [];
      for (const [name, side] of Object.entries(sides))
        sideInputs.push({
          ...(await makeTable(name, side.sql)),
          ...(side.join === undefined ? {} : { join: side.join }),
        });
      const done = await runTransform(
        {
          input: await makeTable('base', input),
          sideInputs,
          sql: select,
          joined: join(home, 'out', `${runs}-joined.parquet`),
          target,
          malformed: [null],
          nowMs: Date.UTC(2025, 0, 31, 12),
        },
        { threads: 2, memoryLimitMb: 512, tempDir: join(home, 'temp'), ...options.settings },
        options.signal ?? new AbortController().signal,
      );
      const rows = await queryJson<Row>(
        connection,
        `SELECT COLUMNS(*)::VARCHAR FROM read_parquet(${quotePath(target)})`,
      );
      return { ...done, rows };
    },
    files: () =>
      existsSync(home)
        ? readdirSync(home, { recursive: true, withFileTypes: true })
            .filter((entry) => entry.isFile() && !entry.parentPath.endsWith('/in'))
            .map((entry) => join(entry.parentPath, entry.name))
            .sort()
        : [],
    async [Symbol.asyncDispose]() {
      duckdb.disconnect_sync(connection);
      duckdb.close_sync(free);
      rmSync(home, { recursive: true, force: true });
    },
  };
}
