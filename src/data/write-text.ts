import duckdb, { type Connection } from '@duckdb/node-bindings';
import { Failure } from '../core/errors.ts';
import { queryJson, quoteName, quotePath, quoteText } from './duckdb.ts';
import { duckdbFailure } from './duckdb-failure.ts';
import type { TableColumn, TextRequest } from './engine.ts';
import { whyNotCarried } from './text-carries.ts';
import { comparedType, csvField, csvHead, isText, jsonLine } from './text-sql.ts';

/**
 * Writes a Parquet file as CSV or JSON Lines, in the order of its rows, and reads the result back with a parser and the
 * columns' types: so many rows, and the same values in each, by a sum of 64-bit hashes over both files. Memory is bounded
 * by the engine's limit, whatever the size of the file. Reading back costs about a fifth of the writing.
 */
export async function writeText(connection: Connection, request: TextRequest): Promise<void> {
  const { from, to } = request;
  try {
    const columns = await columnsOf(connection, from);
    refuseUncarried(request, columns);
    await duckdb.query(connection, copySql(request, columns));
    await readBack(connection, request, columns);
  } catch (error) {
    throw duckdbFailure(error, { reads: [from], writes: to });
  }
}

function columnsOf(connection: Connection, path: string): Promise<TableColumn[]> {
  return queryJson(
    connection,
    `SELECT column_name AS name, column_type AS type FROM (DESCRIBE SELECT * FROM ${parquet(path)})`,
  );
}

function parquet(path: string): string {
  return `read_parquet(${quotePath(path)}, hive_partitioning = false)`;
}

function refuseUncarried({ format }: TextRequest, columns: readonly TableColumn[]): void {
  for (const { name, type } of columns) {
    const why = whyNotCarried(format.kind, type);
    if (why !== null)
      throw new Failure('COLUMN_TYPE', `Column "${name}" (${type}) ${why}.`, { place: { field: name } });
  }
}

function copySql({ from, to, format }: TextRequest, columns: readonly TableColumn[]): string {
  const options = `COMPRESSION ${format.compression}, USE_TMP_FILE false`;
  if (format.kind === 'jsonl') {
    // The lines are whole already: DuckDB's own JSON writer widens FLOAT and has no form for infinity.
    return `COPY (SELECT ${jsonLine(columns)} FROM ${parquet(from)}) TO ${quoteText(to)}
      (FORMAT csv, HEADER false, QUOTE '', ESCAPE '', DELIMITER '', ${options})`;
  }
  const fields = columns.map(
    (column) =>
      `${csvField(column, format.escapeFormulas)} AS ${quoteName(csvHead(column, format.escapeFormulas))}`,
  );
  return `COPY (SELECT ${fields.join(', ')} FROM ${parquet(from)}) TO ${quoteText(to)}
    (FORMAT csv, HEADER true, DELIMITER ',', QUOTE '"', ESCAPE '"', NULLSTR '', ${options})`;
}

interface Digest {
  readonly rows: number;
  readonly hash: string | null;
}

async function readBack(
  connection: Connection,
  request: TextRequest,
  columns: readonly TableColumn[],
): Promise<void> {
  const { format, from, to } = request;
  const longest = columns.filter(({ type }) => isText(type) || whyNotCarried('csv', type) !== null);
  const lengths = longest.map(({ name }) => `coalesce(strlen(${quoteName(name)}::VARCHAR), 0)`);
  const asWritten = columns.map((column) =>
    isText(column.type) && format.kind === 'csv'
      ? csvField(column, format.escapeFormulas)
      : `${quoteName(column.name)}::${comparedType(column.type)}`,
  );
  const [source] = await queryJson<Digest & { longest: number | null }>(
    connection,
    `SELECT ${digestOf(asWritten)}, max(${lengths.join(' + ') || '0'}) AS longest FROM ${parquet(from)}`,
  );
  const lineBytes = lineLimit(columns, source?.longest ?? 0);
  const names = columns.map(({ name }) => quoteName(name));
  const [result] = await queryJson<Digest>(
    connection,
    `SELECT ${digestOf(names)} FROM ${format.kind === 'csv' ? csvReader(to, request, columns, lineBytes) : jsonReader(to, request, columns, lineBytes)}`,
  );
  if (result?.rows !== request.rows)
    throw differs(request, `it has ${result?.rows} rows instead of ${request.rows}`);
  if (result.hash !== source?.hash) throw differs(request, 'its values are others');
}

function digestOf(values: readonly string[]): string {
  return `count(*) AS rows, sum(hash(${values.join(', ')})::HUGEINT)::VARCHAR AS hash`;
}

/** Most bytes of a line: each character of a text may take six in JSON (a control character), other values are short. */
function lineLimit(columns: readonly TableColumn[], longestText: number): number {
  const names = columns.reduce((sum, { name }) => sum + Buffer.byteLength(name) * 6 + 100, 0);
  return Math.max(2 ** 21, longestText * 6 + names);
}

function csvReader(
  path: string,
  { format }: TextRequest,
  columns: readonly TableColumn[],
  lineBytes: number,
): string {
  return `read_csv(${quotePath(path)}, auto_detect = false, header = true, delim = ',', quote = '"', escape = '"',
    nullstr = '', allow_quoted_nulls = false, compression = ${quoteText(format.compression)},
    max_line_size = ${lineBytes}, buffer_size = ${Math.max(2 ** 25, lineBytes * 2)}, columns = ${typesOf(columns)})`;
}

function jsonReader(
  path: string,
  { format }: TextRequest,
  columns: readonly TableColumn[],
  lineBytes: number,
): string {
  return `read_json(${quotePath(path)}, format = 'newline_delimited', compression = ${quoteText(format.compression === 'none' ? 'uncompressed' : format.compression)},
    maximum_object_size = ${Math.max(2 ** 24, lineBytes)}, columns = ${typesOf(columns)})`;
}

function typesOf(columns: readonly TableColumn[]): string {
  return `{${columns.map(({ name, type }) => `${quoteText(name)}: ${quoteText(comparedType(type))}`).join(', ')}}`;
}

function differs({ from, format }: TextRequest, how: string): Failure {
  return new Failure('ACCOUNTING', `Written as ${format.kind}, ${from} is not what it was: ${how}.`, {
    place: { file: from },
  });
}
