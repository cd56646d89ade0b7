import { quoteName, quotePath, quoteText } from './duckdb.ts';
import { duckdbFailure } from './duckdb-failure.ts';
import type { TableColumn } from './engine.ts';
import { parseWhere } from './parse-where.ts';
import { openReadingDatabase } from './reading-database.ts';
import { comparedType } from './text-sql.ts';

/** Files with the same columns, and which of them are wanted under which names. */
export interface TableSource {
  readonly paths: readonly string[];
  /** Null: all, under their own names. */
  readonly columns:
    | readonly {
        readonly stored: string;
        readonly name: string;
        /** Left out where the files have no such column. */
        readonly isOptional?: boolean;
      }[]
    | null;
  /**
   * Of CSV and JSON Lines as we publish them: all columns as they are stored; or types by name, where the files say
   * which of the columns there are. Parquet knows its own.
   */
  readonly stored: readonly TableColumn[] | ReadonlyMap<string, string>;
}

export interface TableRequest {
  /** One table after the other; a column that only some have is null in the others. */
  readonly sources: readonly TableSource[];
  /** A user's condition over the columns (see `parseWhere`); null: all rows. */
  readonly where: string | null;
  /** Rows with exactly this text in this column; null: all. */
  readonly equal: { readonly column: string; readonly text: string } | null;
  /** Null: all rows. */
  readonly limit: number | null;
  /** The Parquet file that `writeParquet` will write, absolute; null: none. */
  readonly writes: string | null;
}

/** Rows of files, in their order, to be shown or exported. Holds a few chunks in memory, however many rows there are. */
export interface TableReader extends AsyncDisposable {
  readonly columns: readonly TableColumn[];
  /** Values as text; null is null. */
  texts(): Promise<(string | null)[][]>;
  lines(format: LineFormat): AsyncIterable<Lines>;
  /** Rows written. */
  writeParquet(): Promise<number>;
}

/** Whole lines, and how many rows they hold: a text may go over several lines, a heading is no row. */
export interface Lines {
  readonly text: string;
  readonly rows: number;
}

/**
 * `csv`: RFC 4180 with a heading; text is quoted, so that an empty text is `""` and null is nothing; lists and structs are
 * JSON. `jsonl`: one object per line. Both hold numbers, decimals and times to their last digit.
 */
export type LineFormat = 'csv' | 'jsonl';

/** Fails with SOURCE_NOT_FOUND, SOURCE_UNREADABLE, SOURCE_CORRUPT; WHERE_NOT_ALLOWED, COLUMN_MISSING for the condition. */
export async function openTable(request: TableRequest): Promise<TableReader> {
  const reads = request.sources.flatMap(({ paths }) => paths);
  const database = await openReadingDatabase(reads, request.writes);
  const { connection } = database;
  const query = async <Answer>(ask: () => Promise<Answer>): Promise<Answer> => {
    try {
      return await ask();
    } catch (error) {
      throw duckdbFailure(error, { reads, ...(request.writes === null ? {} : { writes: request.writes }) });
    }
  };
  try {
    const present = async ({ paths, columns: wanted, stored }: TableSource): Promise<StoredSource> => {
      if (!(stored instanceof Map))
        return { paths, columns: wanted, stored: stored as readonly TableColumn[] };
      const untyped = { paths, columns: null, stored: null };
      const found = await query(() => connection.runAndReadAll(`DESCRIBE ${sourceSql(untyped)}`));
      const names = found
        .getRowObjectsJson()
        .map(({ column_name: name }) => columnNamed(String(name), stored));
      return {
        paths,
        columns:
          wanted?.filter(({ stored: name, isOptional }) => isOptional !== true || names.includes(name)) ??
          null,
        stored: names.map((name) => ({ name, type: stored.get(name) ?? 'VARCHAR' })),
      };
    };
    const sources: StoredSource[] = [];
    for (const source of request.sources) sources.push(await present(source));
    const all = sources.map(sourceSql).join(' UNION ALL BY NAME ');
    const described = await query(() => connection.runAndReadAll(`DESCRIBE ${all}`));
    const columns = described
      .getRowObjectsJson()
      .map(({ column_name: name, column_type: type }) => ({ name: String(name), type: String(type) }));
    const conditions = [
      ...(request.where === null ? [] : [(await parseWhere(request.where, columns)).sql]),
      ...(request.equal === null
        ? []
        : [`${quoteName(request.equal.column)} = ${quoteText(request.equal.text)}`]),
    ];
    const where = conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`;
    const from = `FROM (${all})${where}${request.limit === null ? '' : ` LIMIT ${request.limit}`}`;
    return {
      columns,
      async texts() {
        const cells = columns.map(({ name }) => `${quoteName(name)}::VARCHAR`);
        const sql = `SELECT to_json([${cells.join(', ')}])::VARCHAR ${from}`;
        const result = await query(() => connection.runAndReadAll(sql));
        return result.getRows().map(([text]) => JSON.parse(String(text)) as (string | null)[]);
      },
      async *lines(format) {
        if (format === 'csv')
          yield { text: `${columns.map(({ name }) => csvText(name)).join(',')}\n`, rows: 0 };
        const result = await query(() => connection.stream(`SELECT ${lineSql(columns, format)} ${from}`));
        for (;;) {
          const chunk = await query(() => result.fetchChunk());
          if (chunk === null || chunk.rowCount === 0) return;
          yield { text: `${chunk.getColumnValues(0).join('\n')}\n`, rows: chunk.rowCount };
        }
      },
      async writeParquet() {
        if (request.writes === null) throw new Error('no file to write was named');
        const sql = `COPY (SELECT * ${from}) TO ${quoteText(request.writes)} (FORMAT parquet)`;
        const result = await query(() => connection.run(sql));
        return Number(result.rowsChanged);
      },
      [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
    };
  } catch (error) {
    await database[Symbol.asyncDispose]();
    throw error;
  }
}

/** With its columns as they are stored; null: text is read as text. */
interface StoredSource extends Pick<TableSource, 'paths' | 'columns'> {
  readonly stored: readonly TableColumn[] | null;
}

/** The heading of a CSV file with `escape_formulas` may have an apostrophe before the name. */
function columnNamed(heading: string, types: ReadonlyMap<string, string>): string {
  return !types.has(heading) && types.has(heading.replace(/^'/, '')) ? heading.slice(1) : heading;
}

function sourceSql(source: StoredSource): string {
  const { columns } = source;
  const selected =
    columns === null
      ? '*'
      : columns.map(({ stored, name }) => `${quoteName(stored)} AS ${quoteName(name)}`).join(', ');
  return `SELECT ${selected} FROM ${readerSql(source)}`;
}

/** Text as `write-text.ts` writes it; what a file is, its name says. All files of a source are of one kind. */
function readerSql({ paths, stored }: StoredSource): string {
  const files = `[${paths.map(quotePath).join(', ')}]`;
  const [, kind] = /\.(csv|jsonl)(\.gz|\.zst)?$/.exec(paths[0] ?? '') ?? [];
  const typed = (each: readonly TableColumn[]) =>
    `columns = {${each.map(({ name, type }) => `${quoteText(name)}: ${quoteText(comparedType(type))}`).join(', ')}}`;
  if (kind === 'csv')
    return `read_csv(${files}, header = true, delim = ',', quote = '"', escape = '"', nullstr = '', allow_quoted_nulls = false,
      hive_partitioning = false, ${stored === null ? 'all_varchar = true' : `auto_detect = false, ${typed(stored)}`})`;
  if (kind === 'jsonl') {
    // Every line names every column: the first one tells which there are.
    const described = stored === null ? 'sample_size = 1' : typed(stored);
    return `read_json(${files}, format = 'newline_delimited', hive_partitioning = false, ${described})`;
  }
  return `read_parquet(${files}, hive_partitioning = false)`;
}

const NUMBER = /^(U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)|FLOAT|DOUBLE|DECIMAL\(\d+,\d+\)|BOOLEAN)$/;
const FLOATING = /^(FLOAT|DOUBLE)$/;
const NESTED = /(\[\d*\]|^STRUCT\(.*\)|^MAP\(.*\)|^UNION\(.*\))$/;

/** An expression that gives the line of a row, without its end. */
function lineSql(columns: readonly TableColumn[], format: LineFormat): string {
  if (format === 'jsonl') {
    const members = columns.map(
      ({ name, type }) => `${quoteText(name)}: ${jsonValue(quoteName(name), type)}`,
    );
    return `to_json({${members.join(', ')}})::VARCHAR`;
  }
  const fields = columns.map(({ name, type }) => {
    const column = quoteName(name);
    if (NUMBER.test(type)) return `coalesce(${column}::VARCHAR, '')`;
    const text = NESTED.test(type) ? `to_json(${column})::VARCHAR` : `${column}::VARCHAR`;
    return `coalesce('"' || replace(${text}, '"', '""') || '"', '')`;
  });
  return fields.join(` || ',' || `);
}

/** The shortest digits that mean the value. JSON has no NaN and no infinity: they are the texts "NaN", "Infinity" and "-Infinity", as many readers take them. */
function jsonValue(column: string, type: string): string {
  if (!FLOATING.test(type)) return column;
  return `CASE WHEN isnan(${column}) THEN '"NaN"'::JSON WHEN isinf(${column}) THEN CASE WHEN ${column} > 0 THEN '"Infinity"'::JSON ELSE '"-Infinity"'::JSON END ELSE ${column}::VARCHAR::JSON END`;
}

function csvText(text: string): string {
  return `"${text.replaceAll('"', '""')}"`;
}

/** Whether values of a type are read from right to left, digit below digit. */
export function isNumber(type: string): boolean {
  return NUMBER.test(type) && type !== 'BOOLEAN';
}
