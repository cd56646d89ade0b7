import { realpath } from 'node:fs/promises';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { MALFORMED_COLUMNS } from '../../core/malformed-columns.ts';
import type { Piece, SourceColumn } from '../../core/snapshot.ts';
import { quoteName, quoteText, sqlList } from '../duckdb.ts';
import { scanSql } from '../scan-sql.ts';

/** A pinned table, as SQL is to see it. */
export interface ReadTable {
  readonly name: string;
  readonly columns: readonly SourceColumn[];
  readonly files: readonly ReadFile[];
}

export interface ReadFile {
  /** Local path of the Parquet file. */
  readonly path: string;
  readonly rows: number;
  readonly partition?: Readonly<Record<string, string | null>>;
  /** The original, if it has malformed records: the file then has the columns of core/malformed-columns.ts. */
  readonly malformedIn?: string;
  readonly piece?: Piece;
}

export interface TransformSettings {
  readonly threads: number;
  readonly memoryLimitMb: number;
  /** Where DuckDB puts what does not fit into memory: at most nine tenths of what is free on that disk. */
  readonly tempDir: string;
}

export interface TransformDatabase extends AsyncDisposable {
  readonly connection: DuckDBConnection;
  /** Functions that give another answer each time. */
  readonly volatile: ReadonlySet<string>;
}

/**
 * A database for SQL of a user's: the given tables as views of their well-formed rows (and, as `seg` and `off` under `placed`, the
 * place of each row of the first one), a clock that stands at `nowMs`, and nothing else. No statement reads another file than
 * those of the tables and of `writes`, writes another than these, loads an extension or changes a setting.
 */
export async function openTransformDatabase(
  tables: readonly ReadTable[],
  writes: readonly string[],
  nowMs: number,
  { threads, memoryLimitMb, tempDir }: TransformSettings,
): Promise<TransformDatabase> {
  const instance = await DuckDBInstance.create(':memory:', {
    threads: String(threads),
    memory_limit: `${memoryLimitMb}MiB`,
    temp_directory: tempDir,
    max_expression_depth: '250',
    preserve_insertion_order: 'true',
    errors_as_json: 'true',
    autoload_known_extensions: 'false',
    autoinstall_known_extensions: 'false',
  });
  const connection = await instance.connect();
  const close = () => {
    connection.closeSync();
    instance.closeSync();
  };
  try {
    await connection.run(`SET TimeZone = 'UTC'`);
    for (const macro of clockMacros(nowMs)) await connection.run(macro);
    const files = tables.flatMap((table) => table.files.map(({ path }) => path));
    const real = await Promise.all(files.map((path) => realpath(path).catch(() => path)));
    await connection.run(`SET allowed_paths = ${sqlList([...new Set([...files, ...real, ...writes])])}`);
    await connection.run('SET enable_external_access = false');
    await connection.run('SET lock_configuration = true');
    for (const table of tables)
      await connection.run(`CREATE VIEW ${quoteName(table.name)} AS ${tableSql(table, false)}`);
    const reader = await connection.runAndReadAll(
      `SELECT DISTINCT function_name FROM duckdb_functions() WHERE stability = 'VOLATILE' AND function_name <> 'error'`,
    );
    const volatile = new Set(reader.getRows().map(([name]) => String(name).toLowerCase()));
    return { connection, volatile, [Symbol.asyncDispose]: async () => close() };
  } catch (error) {
    close();
    throw error;
  }
}

/** The well-formed rows of a table; with their place, in order, as `seg` and `off`. */
export function tableSql({ columns, files }: ReadTable, withPlace: boolean): string {
  const named = columns.map(({ name }, at) => ({ sql: quoteName(name), as: `c${at}`, name }));
  const showsMalformed = files.some(({ malformedIn }) => malformedIn !== undefined);
  let fileOffset = 0;
  const segments = files.map((file, index) => {
    const segment = { ...file, file: index, start: 0, end: file.rows, fileOffset, sourceName: '' };
    fileOffset += file.rows;
    return segment;
  });
  const scan = scanSql(segments, {
    expressions: [
      ...named,
      ...(showsMalformed ? [{ sql: MALFORMED_COLUMNS.problem, as: 'malformed_problem' }] : []),
    ],
    showsMalformed,
    partitionTypes: new Map(columns.map(({ name, type }) => [name, type])),
  });
  const shown = named.map(({ as, name }) => `${as} AS ${quoteName(name)}`);
  const place = withPlace ? ['seg AS _batchwright_seg', 'off AS _batchwright_off'] : [];
  return `SELECT ${[...shown, ...place].join(', ')} FROM (${scan})${showsMalformed ? ' WHERE malformed_problem IS NULL' : ''}`;
}

/**
 * They stand before the engine's own functions of these names; with a schema in front, which is refused, those would be
 * meant. Parsers write `current_timestamp` and its like as calls of these.
 */
function clockMacros(nowMs: number): string[] {
  const zoned = `TIMESTAMPTZ ${quoteText(new Date(nowMs).toISOString())}`;
  const local = `TIMESTAMP ${quoteText(new Date(nowMs).toISOString().slice(0, -1))}`;
  const values: [string, string][] = [
    ['now', zoned],
    ['get_current_timestamp', zoned],
    ['transaction_timestamp', zoned],
    ['current_localtimestamp', local],
    ['current_localtime', `CAST(${local} AS TIME)`],
    ['get_current_time', `CAST(${local} AS TIME)`],
    ['current_date', `CAST(${local} AS DATE)`],
    ['today', `CAST(${local} AS DATE)`],
  ];
  return values.map(([name, value]) => `CREATE MACRO ${name}() AS ${value}`);
}
