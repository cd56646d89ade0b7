import { realpath } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type DuckDBConnection, DuckDBInstance, StatementType } from '@duckdb/node-api';
import { Failure } from '../../core/errors.ts';
import { quoteText, sqlList } from '../../data/duckdb.ts';
import { PLAIN_PARQUET_FORMAT } from '../../data/parquet-format.ts';
import type { FileConnection } from '../../spec/connections.ts';
import type { AboutDatabase, Database, ReadColumn, Reading } from '../database.ts';
import type { DatabaseSettings } from '../open-database.ts';
import { queryFailure, queryTimedOut, refuseType, requireDistinct, withoutEnd } from '../query-failure.ts';
import { quoteIdentifier, selectFrom } from '../table-name.ts';

/**
 * A DuckDB file. It is opened read-only, and only while it is read; a statement in it reaches no other file, no extension and
 * no setting.
 */
export function duckdbDatabase(name: string, { path }: FileConnection, settings: DatabaseSettings): Database {
  return {
    name,
    async about() {
      await using file = await openFile(name, path, settings, []);
      return await about(file.connection, path);
    },
    tableQuery: (table, columns) => selectFrom(table, columns, quoteIdentifier),
    async read({ query, timeoutMs, target }, signal) {
      const opened = new AsyncDisposableStack();
      try {
        // The one file that may be written; settings are locked before the user's text is looked at.
        const file = opened.use(await openFile(name, path, settings, [target]));
        const { connection } = file;
        const text = await requireSelect(connection, name, query);
        const columns = await columnsOf(connection, name, query, text);
        const found = await about(connection, path);
        const snapshotMs = Date.now();
        return {
          columns: columns.map(({ sql: _, ...column }) => column),
          about: found,
          snapshotMs,
          marks: {},
          rows: {
            kind: 'parquet',
            write: () => write(connection, { name, query, text, columns, target, timeoutMs }, signal),
          },
          [Symbol.asyncDispose]: () => opened.disposeAsync(),
        } satisfies Reading;
      } catch (error) {
        await opened.disposeAsync();
        throw error;
      }
    },
  };
}

async function openFile(
  name: string,
  path: string,
  { threads, memoryLimitMb, tempDir }: DatabaseSettings,
  writes: readonly string[],
): Promise<{ readonly connection: DuckDBConnection } & AsyncDisposable> {
  let instance: DuckDBInstance;
  try {
    instance = await DuckDBInstance.create(path, {
      access_mode: 'READ_ONLY',
      threads: String(threads),
      memory_limit: `${memoryLimitMb}MiB`,
      temp_directory: tempDir,
      preserve_insertion_order: 'true',
      autoload_known_extensions: 'false',
      autoinstall_known_extensions: 'false',
      allow_persistent_secrets: 'false',
    });
  } catch (error) {
    throw openFailure(name, path, error);
  }
  const close = async () => {
    connection?.closeSync();
    instance.closeSync();
  };
  let connection: DuckDBConnection | undefined;
  try {
    connection = await instance.connect();
    await connection.run(`SET TimeZone = 'UTC'`);
    const real = await Promise.all(
      writes.map(async (file) => join(await realpath(dirname(file)), basename(file))),
    );
    await connection.run(`SET allowed_paths = ${sqlList([...new Set([...writes, ...real])])}`);
    await connection.run('SET enable_external_access = false');
    await connection.run('SET lock_configuration = true');
    return { connection, [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
}

function openFailure(name: string, path: string, error: unknown): Failure {
  const message = error instanceof Error ? error.message : String(error);
  const [first = ''] = message.split('\n');
  const place = { file: path, field: `connections.${name}` };
  if (/Could not set lock|Conflicting lock/.test(message)) {
    const [, holder = 'another process'] =
      /Conflicting lock is held in (.*?)(?:\. See also|$)/s.exec(message) ?? [];
    return new Failure('WAREHOUSE_LOCKED', `${path} (connection ${name}) is open in ${holder}.`, {
      place,
      cause: error,
    });
  }
  if (/does not exist|No such file/.test(message))
    return new Failure('CONNECTION_REFUSED', `${path} (connection ${name}) does not exist.`, {
      place,
      next: 'Correct the path in the configuration; it is relative to the folder of that file.',
      cause: error,
    });
  return new Failure('CONNECTION_REFUSED', `${path} (connection ${name}) cannot be opened: ${first}`, {
    place,
    cause: error,
  });
}

async function about(connection: DuckDBConnection, path: string): Promise<AboutDatabase> {
  const reader = await connection.runAndReadAll('SELECT library_version FROM pragma_version()');
  return {
    server: `DuckDB ${String(reader.getRows()[0]?.[0]).replace(/^v/, '')}`,
    user: null,
    database: path,
    canWrite: false,
    encrypted: false,
  };
}

/** DuckDB's own parser says that the text, taken alone, is one SELECT. The text, without the semicolon at its end. */
async function requireSelect(connection: DuckDBConnection, name: string, query: string): Promise<string> {
  const statements = await connection.extractStatements(query).catch((error: unknown) => {
    throw duckdbQueryFailure(name, query, error);
  });
  if (statements.count !== 1)
    throw queryFailure('QUERY_FORBIDDEN', name, `it holds ${statements.count} statements`, {
      query,
      next: 'Give one SELECT.',
    });
  const reader = await connection
    .runAndReadAll('SELECT json_serialize_sql(?::VARCHAR)', [query])
    .catch((error: unknown) => {
      throw duckdbQueryFailure(name, query, error);
    });
  const tree = JSON.parse(String(reader.getRows()[0]?.[0])) as { error: boolean; error_message?: string };
  // What it cannot serialize (a PIVOT, say) may be a SELECT all the same: what the statement is prepared as decides.
  const prepared = await statements.prepare(0).catch((error: unknown) => {
    throw duckdbQueryFailure(name, query, error);
  });
  const isSelect = prepared.statementType === StatementType.SELECT;
  prepared.destroySync();
  if (!isSelect || (tree.error && /Only SELECT/i.test(tree.error_message ?? '')))
    throw queryFailure('QUERY_FORBIDDEN', name, 'it is no SELECT', { query, next: 'Give one SELECT.' });
  return withoutEnd(query);
}

interface FileColumn extends ReadColumn {
  /** What stands for it in the COPY. */
  readonly sql: string;
}

async function columnsOf(
  connection: DuckDBConnection,
  name: string,
  query: string,
  text: string,
): Promise<FileColumn[]> {
  const prepared = await connection.prepare(text).catch((error: unknown) => {
    throw duckdbQueryFailure(name, query, error);
  });
  try {
    const found = Array.from({ length: prepared.columnCount }, (_, at) => ({
      column: prepared.columnName(at),
      type: String(prepared.columnType(at)),
    }));
    requireDistinct(
      found.map(({ column }) => column),
      name,
    );
    return found.map(({ column, type }) => {
      const quoted = quoteIdentifier(column);
      const carried = carriedAs(type);
      if (carried === null) throw refuseType(column, type, name, `${quoted}::VARCHAR or ${quoted}::DOUBLE`);
      return {
        name: column,
        type: carried,
        // JSON, as an alias, looks like VARCHAR.
        sql:
          carried === type && !carried.startsWith('VARCHAR')
            ? quoted
            : `CAST(${quoted} AS ${carried}) AS ${quoted}`,
      };
    });
  } finally {
    prepared.destroySync();
  }
}

const PLAIN =
  /^(BOOLEAN|U?(TINYINT|SMALLINT|INTEGER|BIGINT)|FLOAT|DOUBLE|VARCHAR|BLOB|UUID|DATE|TIME|TIMESTAMP|TIMESTAMP_NS|TIMESTAMP WITH TIME ZONE|DECIMAL\(\d+,\d+\))$/;

/** The type under which Parquet carries a type exactly; null: there is none. */
function carriedAs(type: string): string | null {
  if (PLAIN.test(type)) return type;
  const list = /^(.*)\[\d*\]$/s.exec(type)?.[1];
  if (list !== undefined) {
    const element = carriedAs(list);
    return element === null ? null : `${element}[]`;
  }
  // As `sum` of whole numbers gives it; a larger one than 38 digits fails the query.
  if (type === 'HUGEINT') return 'DECIMAL(38,0)';
  if (/^TIMESTAMP_(S|MS)$/.test(type)) return 'TIMESTAMP';
  if (type === 'JSON' || type.startsWith('ENUM(')) return 'VARCHAR';
  return null;
}

interface WriteOrder {
  readonly name: string;
  readonly query: string;
  readonly text: string;
  readonly columns: readonly FileColumn[];
  readonly target: string;
  readonly timeoutMs: number;
}

async function write(
  connection: DuckDBConnection,
  { name, query, text, columns, target, timeoutMs }: WriteOrder,
  signal: AbortSignal,
): Promise<number> {
  signal.throwIfAborted();
  let timedOut = false;
  const interrupt = () => connection.interrupt();
  const timer = setTimeout(() => {
    timedOut = true;
    interrupt();
  }, timeoutMs);
  signal.addEventListener('abort', interrupt);
  try {
    const shown = columns.map(({ sql }) => sql).join(', ');
    const result = await connection.run(
      `COPY (SELECT ${shown} FROM (${text}\n)) TO ${quoteText(target)} (${PLAIN_PARQUET_FORMAT})`,
    );
    return result.rowsChanged;
  } catch (error) {
    signal.throwIfAborted();
    if (timedOut) throw queryTimedOut(name, timeoutMs);
    throw duckdbQueryFailure(name, query, error);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', interrupt);
  }
}

/** DuckDB shows the place with a `^` below a piece of the line. */
function duckdbQueryFailure(name: string, query: string, error: unknown): Failure {
  if (error instanceof Failure) return error;
  const message = error instanceof Error ? error.message : String(error);
  const lines = message.replace(/^Failed to [a-z ]+: /, '').split('\n');
  const [first = ''] = lines;
  const said = first.replace(/^([A-Z][A-Za-z ]*) Error: /, '');
  const offset = shownOffset(query, lines);
  const at = { query, ...(offset === undefined ? {} : { offset }), cause: error };
  if (/No space left on device|max_temp_directory_size/.test(message))
    return new Failure('DISK_FULL', `The disk is full: ${first}`, { cause: error });
  if (/^Out of Memory/.test(first))
    return queryFailure('QUERY_FAILED', name, said, { ...at, next: 'Let the query keep less at once.' });
  if (
    /^Permission Error|disabled by configuration|Cannot execute statement of type|read-only mode/.test(
      message,
    )
  )
    return queryFailure('QUERY_FORBIDDEN', name, said, at);
  if (/^(Parser|Catalog|Binder|Syntax|Not implemented) Error/.test(first))
    return queryFailure('QUERY_INVALID', name, said, at);
  return queryFailure('QUERY_FAILED', name, said, at);
}

function shownOffset(query: string, lines: readonly string[]): number | undefined {
  const caret = lines.findIndex((line) => /^\s*\^\s*$/.test(line));
  const [, number, prefix = '', shown = ''] =
    /^(?:LINE (\d+): )((?:\.\.\.)?)(.*)$/.exec(lines[caret - 1] ?? '') ?? [];
  if (caret < 1 || number === undefined) return undefined;
  const rows = query.split('\n');
  const row = Number(number) - 1;
  const piece = shown.replace(/\.\.\.$/, '');
  const found = prefix === '' ? 0 : (rows[row] ?? '').indexOf(piece);
  const column = (lines[caret] as string).indexOf('^') - `LINE ${number}: ${prefix}`.length;
  if (row >= rows.length || found < 0 || column < 0) return undefined;
  return rows.slice(0, row).reduce((sum, each) => sum + each.length + 1, 0) + found + column;
}
