import { rename } from 'node:fs/promises';
import duckdb, { type Connection } from '@duckdb/node-bindings';
import { Failure } from '../core/errors.ts';
import { MALFORMED_COLUMNS } from '../core/malformed-columns.ts';
import { queryJson, quoteName, quotePath, quoteText } from './duckdb.ts';
import { duckdbFailure } from './duckdb-failure.ts';
import { PLAIN_PARQUET_FORMAT } from './parquet-format.ts';

/** Rows that came out of a database, on their way into a Parquet file. */
export interface ConvertRequest {
  /**
   * `text`: CSV in one form: fields separated by commas, quoted with `"` (doubled inside) where they have to be, LF behind
   * each row, null as `\N` without quotes; UTF-8.
   */
  readonly from:
    | {
        readonly kind: 'text';
        readonly path: string;
        readonly fields: readonly string[];
        readonly longestRowBytes: number;
        /** Some field is in quotes. */
        readonly hasQuotes: boolean;
      }
    | { readonly kind: 'parquet'; readonly path: string; readonly hasMalformed: boolean };
  /** Of the Parquet file, in order. */
  readonly columns: readonly ConvertedColumn[];
  /** Number, in all of the result, of the first row: from 1. Messages count from there. */
  readonly firstRow: number;
  /** Does not exist yet. */
  readonly target: string;
  /** What people call the original. */
  readonly shown: string;
}

export interface ConvertedColumn {
  readonly name: string;
  /** As DuckDB names it. */
  readonly type: string;
  /** Field, or column, that it is made of. */
  readonly from: string;
  /**
   * SQL (DuckDB) that makes the value out of `VALUE`, which stands for the field as text, or for the column; NULL where it has
   * none. Absent: the field's text says it as a CAST understands it.
   */
  readonly sql?: string;
  /** SQL over `VALUE`: a text, the end of a sentence, where it cannot be used; else null. Default: it has to fit the type. */
  readonly problem?: string;
}

/** Stands for the value in `ConvertedColumn.sql` and `problem`. */
export const VALUE = '$value';

export interface ConvertedRows {
  readonly rows: number;
  /** Rows with a value that cannot be used: they have the columns of `core/malformed-columns.ts` filled in, and all other values. */
  readonly malformed: number;
}

const DEFAULT_LINE_BYTES = 2_000_000;
const SHOWN_TEXT = 200;

/**
 * Turns rows into Parquet. First as if every value fitted, which is fast and nearly always so; if one does not, again, value by
 * value: then a row with a value that does not fit is malformed, keeps its other values, and so its key. `signal` interrupts it.
 *
 * Fails with SOURCE_CORRUPT, DISK_FULL, OUT_OF_MEMORY, STORAGE_FAILED.
 */
export async function convertRows(
  connection: Connection,
  request: ConvertRequest,
  signal: AbortSignal,
): Promise<ConvertedRows> {
  signal.throwIfAborted();
  const interrupt = () => duckdb.interrupt(connection);
  signal.addEventListener('abort', interrupt);
  try {
    const strict = await attempt(
      connection,
      `COPY (${strictSql(request)}) TO ${quoteText(request.target)} (${PLAIN_PARQUET_FORMAT})`,
    );
    if (typeof strict === 'number')
      return { rows: strict, malformed: await malformedIn(connection, request) };
    signal.throwIfAborted();
    return await leniently(connection, request);
  } catch (error) {
    signal.throwIfAborted();
    throw blame(error, request);
  } finally {
    signal.removeEventListener('abort', interrupt);
  }
}

/** Rows; or the error, if it is about a value. */
async function attempt(connection: Connection, sql: string): Promise<number | Error> {
  try {
    return duckdb.rows_changed(await duckdb.query(connection, sql));
  } catch (error) {
    const { message } = error as Error;
    const ofValue = /^(Conversion|Invalid Input|Out of Range|Decimal) Error/.test(message);
    if (ofValue && !/No space left|bad_alloc/.test(message)) return error as Error;
    throw error;
  }
}

async function malformedIn(connection: Connection, { from, target }: ConvertRequest): Promise<number> {
  if (from.kind === 'text' || !from.hasMalformed) return 0;
  const [found] = await queryJson<{ n: number }>(
    connection,
    `SELECT count(${MALFORMED_COLUMNS.line}) AS n FROM read_parquet(${quotePath(target)})`,
  );
  return found?.n ?? 0;
}

async function leniently(connection: Connection, request: ConvertRequest): Promise<ConvertedRows> {
  const { target } = request;
  const rows = duckdb.rows_changed(
    await duckdb.query(
      connection,
      `COPY (${lenientSql(request)}) TO ${quoteText(target)} (${PLAIN_PARQUET_FORMAT})`,
    ),
  );
  const [found] = await queryJson<{ n: number }>(
    connection,
    `SELECT count(${MALFORMED_COLUMNS.line}) AS n FROM read_parquet(${quotePath(target)})`,
  );
  const malformed = found?.n ?? 0;
  // A value that only the slow way understands, as a date before Christ. The columns are those of a file without malformed rows.
  if (malformed === 0) {
    const { line, problem, text } = MALFORMED_COLUMNS;
    const plain = `${target}.plain`;
    await duckdb.query(
      connection,
      `COPY (SELECT * EXCLUDE (${[line, problem, text].map(quoteName).join(', ')}) FROM read_parquet(${quotePath(target)})) TO ${quoteText(plain)} (${PLAIN_PARQUET_FORMAT})`,
    );
    await rename(plain, target);
  }
  return { rows, malformed };
}

function strictSql(request: ConvertRequest): string {
  const { from, columns } = request;
  const shown = columns.map(({ name, type, from: field, sql, problem }) => {
    const raw = quoteName(field);
    if (sql === undefined && problem === undefined && from.kind === 'text')
      return `${raw} AS ${quoteName(name)}`;
    const value = `CAST(${sql === undefined ? raw : insert(sql, raw)} AS ${type})`;
    const checked =
      problem === undefined
        ? value
        : `CASE WHEN (${insert(problem, raw)}) IS NULL THEN ${value} ELSE error('unfit') END`;
    return `${checked} AS ${quoteName(name)}`;
  });
  const { line, problem, text } = MALFORMED_COLUMNS;
  const extra = from.kind === 'parquet' && from.hasMalformed ? [line, problem, text].map(quoteName) : [];
  // Fields that stand for themselves are parsed into their types at once: half the time of a CAST afterwards.
  const direct = new Map(
    columns.flatMap(({ from: field, type, sql, problem: check }) =>
      sql === undefined && check === undefined ? [[field, type] as const] : [],
    ),
  );
  return `SELECT ${[...shown, ...extra].join(', ')} FROM ${reader(request, (field) => direct.get(field) ?? 'VARCHAR')}`;
}

function lenientSql(request: ConvertRequest): string {
  const { from, columns, firstRow } = request;
  const made = columns.map(({ type, from: field, sql, problem, name }, at) => {
    const raw = quoteName(field);
    const value = `TRY(CAST(${sql === undefined ? raw : insert(sql, raw)} AS ${type}))`;
    const unfit =
      problem === undefined
        ? `CASE WHEN ${raw} IS NOT NULL AND v${at} IS NULL THEN 'has ' || ${shownValue(raw)} || ${quoteText(` in ${name}, which is no ${type}`)} END`
        : insert(problem, raw);
    return { value: `${value} AS v${at}`, unfit };
  });
  const problems = [...new Set(made.map(({ unfit }) => unfit))];
  const { line, problem, text } = MALFORMED_COLUMNS;
  const earlier = from.kind === 'parquet' && from.hasMalformed;
  const found = `coalesce(${[...(earlier ? [quoteName(problem)] : []), ...problems].join(', ')})`;
  return `WITH rows_in AS (SELECT *, row_number() OVER () + ${firstRow - 1} AS n FROM ${reader(request, () => 'VARCHAR')}),
    made AS (SELECT *, ${made.map(({ value }) => value).join(', ')} FROM rows_in),
    judged AS (SELECT *, ${found} AS flaw FROM made)
    SELECT ${columns.map(({ name }, at) => `v${at} AS ${quoteName(name)}`).join(', ')},
      CASE WHEN flaw IS NOT NULL THEN n::BIGINT END AS ${line}, flaw AS ${problem},
      CASE WHEN flaw IS NOT NULL THEN '' END AS ${text}
    FROM judged`;
}

/** Short enough for a message, in quotes as JSON has them. */
function shownValue(raw: string): string {
  return `to_json(left(CAST(${raw} AS VARCHAR), ${SHOWN_TEXT}))::VARCHAR`;
}

function insert(sql: string, raw: string): string {
  return sql.replaceAll(VALUE, () => raw);
}

function reader({ from }: ConvertRequest, typeOf: (field: string) => string): string {
  if (from.kind === 'parquet') return `read_parquet(${quotePath(from.path)}, hive_partitioning = false)`;
  const { path, fields, longestRowBytes, hasQuotes } = from;
  const options = [
    'auto_detect = false',
    'header = false',
    `delim = ','`,
    `quote = '"'`,
    `escape = '"'`,
    `nullstr = ['\\N']`,
    'allow_quoted_nulls = false',
    `new_line = '\\n'`,
    'strict_mode = true',
    'null_padding = false',
    'ignore_errors = false',
    `comment = ''`,
    `compression = 'none'`,
    'hive_partitioning = false',
    // A quoted field may hold line ends, and parallel reading is not trusted with those.
    ...(hasQuotes ? ['parallel = false'] : []),
    ...(longestRowBytes > DEFAULT_LINE_BYTES
      ? [`max_line_size = ${longestRowBytes}`, `buffer_size = ${longestRowBytes * 2}`]
      : []),
    `columns = {${fields.map((name) => `${quoteText(name)}: ${quoteText(typeOf(name))}`).join(', ')}}`,
  ];
  return `read_csv(${quotePath(path)}, ${options.join(', ')})`;
}

function blame(error: unknown, { from, target, shown }: ConvertRequest): Failure {
  const failure = duckdbFailure(error, { reads: [from.path], writes: target });
  if (['DISK_FULL', 'OUT_OF_MEMORY', 'STORAGE_FAILED'].includes(failure.code)) return failure;
  const [first = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
  return new Failure('SOURCE_CORRUPT', `The rows of ${shown} cannot be turned into Parquet: ${first}`, {
    next: 'Cast the columns in the query to plain types; if they are plain, please report this.',
    cause: error,
  });
}
