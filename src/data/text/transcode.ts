import duckdb, { type Connection } from '@duckdb/node-bindings';
import { Failure } from '../../core/errors.ts';
import { MALFORMED_COLUMNS } from '../../core/malformed-columns.ts';
import { queryJson, quoteName, quotePath, quoteText, sqlList } from '../duckdb.ts';
import { duckdbFailure } from '../duckdb-failure.ts';
import type { CsvDialect } from './csv-scanner.ts';

/** How the text to be turned into Parquet lies in its file. */
export type TextForm =
  | {
      readonly kind: 'csv';
      readonly dialect: CsvDialect;
      readonly lineEnd: '\n' | '\r\n';
      /** Fields contain line ends: DuckDB's parallel reading is not trusted with them. Only where records end with LF. */
      readonly hasLineEndsInFields: boolean;
    }
  | { readonly kind: 'jsonl' }
  /** What `PlainCopy` writes. */
  | {
      readonly kind: 'plain-copy';
      readonly decimal: '.' | ',';
      readonly withMalformed: boolean;
      readonly hasLineEndsInFields: boolean;
    };

export interface TranscodeRequest {
  /** The original, for messages. */
  readonly original: string;
  /** The file that is read: the original itself, or its plain copy. */
  readonly source: string;
  readonly form: TextForm;
  /** Columns in the order of the file, with their types. */
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  readonly longestRecordBytes: number;
  /** Columns of the Parquet file, in its order. */
  readonly output: readonly OutputField[];
  /** Parquet file to write. */
  readonly target: string;
}

export interface OutputField {
  readonly name: string;
  readonly type: string;
  /** 'file': of the column of that name; else the same text, or null, in every row. */
  readonly from: 'file' | { readonly constant: string | null };
}

export interface Transcoded {
  readonly rows: number;
  readonly rowGroups: readonly number[];
  /** Nulls by column, for columns that are not nested. */
  readonly nulls: ReadonlyMap<string, number>;
}

/**
 * As parts are written: without dictionaries, so that numbers lie as plain pages, which are read five times as fast. With
 * the default 0.3 s longer for 1 M rows of 20 numbers.
 */
const FORMAT =
  'FORMAT parquet, COMPRESSION snappy, ROW_GROUP_SIZE 122880, DICTIONARY_SIZE_LIMIT 1, USE_TMP_FILE false';
/** DuckDB's own limit for a line, unless told otherwise. */
const DEFAULT_LINE_BYTES = 2_000_000;
/** Room that a plain copy needs beside twice the record: quotes, commas, text of a malformed record. */
const COPY_EXTRA_BYTES = 64_000;

/**
 * Turns one text file into Parquet by DuckDB's own reader, set to be strict, in one statement. Nothing is guessed: names,
 * types and dialect are given. `signal` interrupts it.
 *
 * Fails with SOURCE_CORRUPT (naming the original, and DuckDB's line where it says one), DISK_FULL, OUT_OF_MEMORY, STORAGE_FAILED.
 */
export async function transcode(
  connection: Connection,
  request: TranscodeRequest,
  signal: AbortSignal,
): Promise<Transcoded> {
  signal.throwIfAborted();
  const interrupt = () => duckdb.interrupt(connection);
  signal.addEventListener('abort', interrupt);
  try {
    const result = await duckdb.query(
      connection,
      `COPY (SELECT ${selected(request)} FROM ${reader(request)}) TO ${quoteText(request.target)} (${FORMAT})`,
    );
    return await lookAt(connection, request.target, duckdb.rows_changed(result));
  } catch (error) {
    signal.throwIfAborted();
    throw blame(error, request);
  } finally {
    signal.removeEventListener('abort', interrupt);
  }
}

function selected({ output, form }: TranscodeRequest): string {
  const fields = output.map(({ name, type, from }) => {
    const named = `AS ${quoteName(name)}`;
    if (from !== 'file') {
      return `CAST(${from.constant === null ? 'NULL' : quoteText(from.constant)} AS ${type}) ${named}`;
    }
    // Lists come as JSON in a text.
    if (form.kind === 'plain-copy' && type.endsWith('[]'))
      return `CAST(CAST(${quoteName(name)} AS JSON) AS ${type}) ${named}`;
    return quoteName(name);
  });
  const { line, problem, text } = MALFORMED_COLUMNS;
  const extra = form.kind === 'plain-copy' && form.withMalformed ? [line, problem, text].map(quoteName) : [];
  return [...fields, ...extra].join(', ');
}

function reader({ source, form, columns, longestRecordBytes }: TranscodeRequest): string {
  const path = quotePath(source);
  if (form.kind === 'jsonl') {
    const size = Math.max(16 * 2 ** 20, longestRecordBytes + 1_024);
    return `read_json(${path}, format = 'newline_delimited', auto_detect = false, records = 'true', compression = 'uncompressed',
      maximum_object_size = ${size}, hive_partitioning = false, columns = ${struct(columns)})`;
  }
  const isCopy = form.kind === 'plain-copy';
  const { line, problem, text } = MALFORMED_COLUMNS;
  const read = isCopy
    ? [
        { name: MARK, type: 'VARCHAR' },
        ...columns.map(({ name, type }) => ({ name, type: type.endsWith('[]') ? 'VARCHAR' : type })),
        ...(form.withMalformed
          ? [
              { name: line, type: 'BIGINT' },
              { name: problem, type: 'VARCHAR' },
              { name: text, type: 'VARCHAR' },
            ]
          : []),
      ]
    : columns;
  const dialect: CsvDialect = isCopy
    ? { delimiter: ',', quote: '"', header: false, nulls: [''], decimal: form.decimal }
    : form.dialect;
  const longest = isCopy
    ? 2 * longestRecordBytes + 4 * columns.length + COPY_EXTRA_BYTES
    : longestRecordBytes + 1_024;
  const options = [
    'auto_detect = false',
    `header = ${dialect.header}`,
    `delim = ${quoteText(dialect.delimiter)}`,
    `quote = ${quoteText(dialect.quote)}`,
    `escape = ${quoteText(dialect.quote)}`,
    `nullstr = ${dialect.nulls.length === 0 ? quoteText(NO_NULL) : sqlList(dialect.nulls)}`,
    'allow_quoted_nulls = false',
    `decimal_separator = ${quoteText(dialect.decimal)}`,
    // Left to itself, DuckDB takes the first line end that it sees, be it inside of quotes; told CRLF, it loses records.
    ...(isCopy || form.lineEnd === '\n' ? [`new_line = '\\n'`] : []),
    'strict_mode = true',
    'null_padding = false',
    'ignore_errors = false',
    `comment = ''`,
    `compression = 'none'`,
    'hive_partitioning = false',
    ...(form.hasLineEndsInFields ? ['parallel = false'] : []),
    ...(longest > DEFAULT_LINE_BYTES ? [`max_line_size = ${longest}`, `buffer_size = ${longest * 2}`] : []),
    `columns = ${struct(read)}`,
  ];
  return `read_csv(${path}, ${options.join(', ')})`;
}

/** Name of the field that `PlainCopy` puts in front. */
const MARK = '_batchwright_mark';
/** Where nothing stands for null: a text that no file can hold. */
const NO_NULL = '\u0001\u0002 no null \u0002\u0001';

function struct(columns: readonly { readonly name: string; readonly type: string }[]): string {
  return `{${columns.map(({ name, type }) => `${quoteText(name)}: ${quoteText(type)}`).join(', ')}}`;
}

/** Rows and nulls as the footer of what was written tells them. */
async function lookAt(connection: Connection, path: string, rows: number): Promise<Transcoded> {
  const chunks = await queryJson<{ id: number; rows: number; name: string; nulls: number | null }>(
    connection,
    `SELECT row_group_id AS id, row_group_num_rows AS rows, path_in_schema AS name, stats_null_count AS nulls
     FROM parquet_metadata(${quotePath(path)})`,
  );
  const rowGroups: number[] = [];
  const nulls = new Map<string, number>();
  for (const chunk of chunks) {
    rowGroups[chunk.id] = chunk.rows;
    nulls.set(chunk.name, (nulls.get(chunk.name) ?? 0) + (chunk.nulls ?? Number.NaN));
  }
  return { rows, rowGroups: rowGroups.filter((size) => size > 0), nulls };
}

/** What DuckDB says against the original is the original's fault, unless disk or memory is short. */
function blame(error: unknown, { original, source, target }: TranscodeRequest): Failure {
  const failure = duckdbFailure(error, { reads: [source], writes: target });
  if (['DISK_FULL', 'OUT_OF_MEMORY', 'SOURCE_NOT_FOUND', 'SOURCE_UNREADABLE'].includes(failure.code))
    return failure;
  const said = (error instanceof Error ? error.message : String(error)).split('\n');
  const line = source === original ? /Line: (\d+)/.exec(said[0] ?? '')?.[1] : undefined;
  const why = said.find((text) => /Could not convert|Expected|Error when/.test(text)) ?? said[0] ?? '';
  return new Failure(
    'SOURCE_CORRUPT',
    `${original}${line === undefined ? '' : `, line ${line}`} cannot be read: ${why.trim()}`,
    {
      place: { file: original, ...(line === undefined ? {} : { line: Number(line) }) },
      cause: error,
    },
  );
}
