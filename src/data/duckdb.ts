import { realpath } from 'node:fs/promises';
import duckdb, { type Connection, type Database, type DataChunk, type Result } from '@duckdb/node-bindings';

/**
 * The low-level door to DuckDB: one in-process database without a file, shut in by `allowed`.
 */
export interface DuckdbSettings {
  readonly threads: number;
  readonly memoryLimitMb: number;
  /** Where DuckDB puts what does not fit into memory. */
  readonly tempDir: string;
  /** Folders and files that statements may read and write; everything below a folder counts. */
  readonly allowed: readonly string[];
}

/**
 * Opens a database in which no statement reaches a file outside of `allowed`, loads an extension or changes a setting.
 *
 * Order matters: connections take their streaming buffer before the configuration is locked, so all of them are made
 * here; `prepare` registers functions while that is still possible.
 */
export async function openDatabase(
  settings: DuckdbSettings,
  connections: number,
): Promise<{ database: Database; connections: Connection[] }> {
  const config = duckdb.create_config();
  const options = {
    threads: String(settings.threads),
    memory_limit: `${settings.memoryLimitMb}MiB`,
    temp_directory: settings.tempDir,
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
    preserve_insertion_order: 'true',
  };
  for (const [name, value] of Object.entries(options)) duckdb.set_config(config, name, value);
  const database = await duckdb.open(':memory:', config);
  const opened: Connection[] = [];
  for (let index = 0; index < connections; index += 1) {
    const connection = await duckdb.connect(database);
    await duckdb.query(connection, `SET streaming_buffer_size = '1KB'`);
    // Time zones must not depend on the machine.
    await duckdb.query(connection, `SET TimeZone = 'UTC'`);
    opened.push(connection);
  }
  const [first] = opened;
  if (first === undefined) throw new Error('a database needs a connection');
  const allowed = await withRealPaths(settings.allowed);
  await duckdb.query(first, `SET allowed_directories = ${sqlList(allowed)}`);
  await duckdb.query(first, `SET allowed_paths = ${sqlList(allowed)}`);
  await duckdb.query(first, `SET enable_external_access = false`);
  await duckdb.query(first, `SET lock_configuration = true`);
  return { database, connections: opened };
}

/** A folder named through a link is allowed under both names. */
async function withRealPaths(paths: readonly string[]): Promise<string[]> {
  const real = await Promise.all(paths.map((path) => realpath(path).catch(() => path)));
  return [...new Set([...paths, ...real])];
}

/** Runs a statement and gives the rows of its result as JSON values. For small results; 64-bit numbers must fit a double. */
export async function queryJson<Row>(connection: Connection, sql: string): Promise<Row[]> {
  const result = await duckdb.query(
    connection,
    `SELECT to_json(queried_row)::VARCHAR FROM (${sql}) queried_row`,
  );
  const rows: Row[] = [];
  for (const chunk of chunksOf(result)) {
    for (const text of readStrings(chunk, 0, duckdb.data_chunk_get_size(chunk)))
      rows.push(JSON.parse(text) as Row);
  }
  return rows;
}

function* chunksOf(result: Result): Generator<DataChunk> {
  const count = duckdb.result_chunk_count(result);
  for (let index = 0; index < count; index += 1) yield duckdb.result_get_chunk(result, index);
}

/**
 * The strings of a VARCHAR vector without nulls (what stands in a null row is arbitrary). An entry is 16 bytes: length,
 * then up to 12 bytes of text, or 4 bytes of prefix and a pointer.
 */
export function readStrings(
  chunk: DataChunk,
  column: number,
  rows: number,
  validity: Uint8Array | null = null,
): string[] {
  const bytes = duckdb.vector_get_data(duckdb.data_chunk_get_vector(chunk, column), rows * 16);
  const buffer = bytes.buffer as ArrayBuffer;
  const text = Buffer.from(buffer, bytes.byteOffset, rows * 16);
  const strings = new Array<string>(rows);
  for (let row = 0; row < rows; row += 1) {
    if (validity !== null && ((validity[row >> 3] as number) & (1 << (row & 7))) === 0) {
      strings[row] = '';
      continue;
    }
    const at = row * 16;
    const length = text.readUInt32LE(at);
    if (length <= 12) strings[row] = text.toString('utf8', at + 4, at + 4 + length);
    else {
      const long = duckdb.get_data_from_pointer(buffer, bytes.byteOffset + at + 8, length);
      strings[row] = Buffer.from(long.buffer, long.byteOffset, length).toString('utf8');
    }
  }
  return strings;
}

export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

export function quoteText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** Path as an argument of a reading function: characters that would make it a pattern stand for themselves. */
export function quotePath(path: string): string {
  return quoteText(path.replace(/[[*?]/g, '[$&]'));
}

export function sqlList(items: readonly string[]): string {
  return `[${items.map(quoteText).join(', ')}]`;
}
