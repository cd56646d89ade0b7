import type { Connection } from '@duckdb/node-bindings';
import { Failure } from '../core/errors.ts';
import { failureOfFiles, MOST_FILES_NAMED } from '../core/many-files.ts';
import { queryJson, quotePath, quoteText } from './duckdb.ts';
import { duckdbFailure } from './duckdb-failure.ts';
import type { DescribedFile } from './engine.ts';

/** Files whose footers are read by one statement. */
const FILES_PER_STATEMENT = 500;

/** With more files than this, null counts are not looked up: columns then count as nullable, which costs a look at masks. */
const FILES_WITH_STATISTICS = 200;

/** Names that DuckDB itself gives to the place of a row; a column of the same name would hide it. */
export const RESERVED_NAMES: readonly string[] = ['file_row_number', 'file_index'];

/**
 * Footer facts of Parquet files; see `DataEngine.describe`. Columns of all files are those of the first one, in its
 * order; other files may have them in another order. 2,000 files of 20 columns: about 1 s.
 */
export async function describeFiles(
  connection: Connection,
  paths: readonly string[],
  signal: AbortSignal,
): Promise<DescribedFile[]> {
  const described: DescribedFile[] = [];
  const columnsOf = schemaReader(connection);
  const statistics = paths.length <= FILES_WITH_STATISTICS;
  for (let from = 0; from < paths.length; from += FILES_PER_STATEMENT) {
    signal.throwIfAborted();
    const some = paths.slice(from, from + FILES_PER_STATEMENT);
    const footers = await readFooters(connection, some, statistics);
    for (const [index, path] of some.entries()) {
      const footer = footers[index] as Footer;
      const { columns, lossy } = await columnsOf(path, footer.schema);
      const nulls = new Map(footer.nulls.map(({ name, never }) => [name, never]));
      described.push({
        path,
        rows: footer.rows,
        rowGroups: footer.rowGroups,
        columns: columns.map(({ name, type }) => ({
          name,
          type: lossy.get(name) ?? type,
          neverNull: footer.rows === 0 || (!NESTED.test(type) && nulls.get(name) === true),
        })),
      });
    }
  }
  return inFirstOrder(described);
}

const NESTED = /\[\]$|^(STRUCT|MAP)\(/;

interface Footer {
  readonly rows: number;
  readonly rowGroups: readonly number[];
  /** Fingerprint of the physical schema. */
  readonly schema: string;
  /** Flat columns of which every row group says how many nulls it has; `never`: none at all. */
  readonly nulls: readonly { readonly name: string; readonly never: boolean }[];
}

async function readFooters(
  connection: Connection,
  paths: readonly string[],
  statistics: boolean,
): Promise<Footer[]> {
  try {
    return await queryFooters(connection, paths, statistics);
  } catch (error) {
    // One bad file fails them all: find out which, and whether it is the only one.
    const bad: Failure[] = [];
    for (const path of paths) {
      if (bad.length > MOST_FILES_NAMED) break;
      try {
        await queryFooters(connection, [path], true);
      } catch (cause) {
        bad.push(blame(path, cause));
      }
    }
    const [first, ...others] = bad;
    if (first !== undefined) throw failureOfFiles([first, ...others]);
    throw duckdbFailure(error, { reads: paths });
  }
}

async function queryFooters(
  connection: Connection,
  paths: readonly string[],
  statistics: boolean,
): Promise<Footer[]> {
  const list = `[${paths.map(quotePath).join(', ')}]`;
  const files = await queryJson<{ file_name: string; num_rows: number; num_row_groups: number }>(
    connection,
    `SELECT file_name, num_rows, num_row_groups FROM parquet_file_metadata(${list})`,
  );
  const schemas = await queryJson<{ file_name: string; schema: string }>(
    connection,
    `SELECT file_name, md5(string_agg(to_json([name, type, type_length, num_children::VARCHAR, converted_type,
            scale::VARCHAR, precision::VARCHAR, logical_type, duckdb_type])::VARCHAR, ',')) AS schema
     FROM parquet_schema(${list}) WHERE name IS NOT NULL GROUP BY file_name`,
  );
  const detailed = files.filter(({ num_row_groups }) => statistics || num_row_groups > 1);
  const detailsOf = await queryDetails(
    connection,
    detailed.map(({ file_name }) => file_name),
  );
  const schemaOf = new Map(schemas.map((row) => [row.file_name, row.schema]));
  const fileOf = new Map(files.map((row) => [row.file_name, row]));
  return paths.map((path) => {
    const file = fileOf.get(path);
    const schema = schemaOf.get(path);
    if (file === undefined || schema === undefined) throw new Error(`the footer of ${path} was not answered`);
    const rows = file.num_rows;
    const details = detailsOf.get(path);
    const rowGroups = details?.sizes ?? (file.num_row_groups === 0 ? [] : [rows]);
    if (rowGroups.some((size) => size < 0) || rowGroups.reduce((sum, size) => sum + size, 0) !== rows) {
      throw new Failure(
        'SOURCE_CORRUPT',
        `${path} contradicts itself: its row groups do not add up to its ${rows} rows.`,
        { place: { file: path } },
      );
    }
    return { rows, rowGroups, schema, nulls: details?.nulls ?? [] };
  });
}

interface FooterDetails {
  readonly sizes: number[];
  readonly nulls: { readonly name: string; readonly never: boolean }[];
}

/** Row groups and null counts. This is the slow part of a footer: DuckDB prints all statistics. */
async function queryDetails(
  connection: Connection,
  paths: readonly string[],
): Promise<Map<string, FooterDetails>> {
  if (paths.length === 0) return new Map();
  const rows = await queryJson<FooterDetails & { file_name: string }>(
    connection,
    `WITH chunk AS MATERIALIZED (
       SELECT file_name, row_group_id, row_group_num_rows, path_in_schema, stats_null_count
       FROM parquet_metadata([${paths.map(quotePath).join(', ')}])),
     sizes AS (
       SELECT file_name, list(rows ORDER BY row_group_id) AS sizes
       FROM (SELECT file_name, row_group_id, any_value(row_group_num_rows) AS rows FROM chunk GROUP BY ALL)
       GROUP BY file_name),
     nulls AS (
       SELECT file_name, list({name: name, never: never}) AS nulls
       FROM (SELECT file_name, path_in_schema AS name, bool_and(coalesce(stats_null_count = 0, false)) AS never
             FROM chunk GROUP BY ALL)
       GROUP BY file_name)
     SELECT file_name, sizes, nulls FROM sizes JOIN nulls USING (file_name)`,
  );
  return new Map(rows.map((row) => [row.file_name, row]));
}

interface Schema {
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  /** Columns of which DuckDB does not read all that is in the file, with the type to report. */
  readonly lossy: ReadonlyMap<string, string>;
}

/** Asks DuckDB once per distinct physical schema. */
function schemaReader(connection: Connection): (path: string, fingerprint: string) => Promise<Schema> {
  const known = new Map<string, Schema>();
  return async (path, fingerprint) => {
    let schema = known.get(fingerprint);
    if (schema === undefined) {
      try {
        schema = await readSchema(connection, path);
      } catch (cause) {
        throw blame(path, cause);
      }
      known.set(fingerprint, schema);
    }
    return schema;
  };
}

interface SchemaNode {
  readonly name: string;
  readonly type: string | null;
  readonly num_children: number | null;
  readonly logical_type: string | null;
  readonly converted_type: string | null;
  readonly scale: number | null;
  readonly precision: number | null;
  readonly duckdb_type: string | null;
}

async function readSchema(connection: Connection, path: string): Promise<Schema> {
  const columns = await queryJson<{ name: string; type: string }>(
    connection,
    `SELECT column_name AS name, column_type AS type
     FROM (DESCRIBE SELECT * FROM read_parquet(${quotePath(path)}, hive_partitioning = false))`,
  );
  // In the order of the footer: the root, then each top-level column followed by what is in it.
  const [root, ...nodes] = await queryJson<SchemaNode>(
    connection,
    `SELECT name, type, num_children, logical_type, converted_type, scale, precision, duckdb_type
     FROM parquet_schema(${quotePath(path)})`,
  );
  const lossy = new Map<string, string>();
  const names: string[] = [];
  let at = 0;
  while (at < nodes.length && names.length < (root?.num_children ?? 0)) {
    const end = endOf(nodes, at);
    const top = nodes[at] as SchemaNode;
    const column = columns[names.length];
    names.push(top.name);
    const loss = nodes
      .slice(at, end)
      .map(lossOf)
      .find((found) => found !== null);
    if (loss !== undefined && loss !== null && column !== undefined) {
      lossy.set(
        column.name,
        end === at + 1 && loss.startsWith('DECIMAL') ? loss : `${column.type} holding ${loss}`,
      );
    }
    at = end;
  }
  refuseUnclearNames(
    path,
    names,
    columns.map(({ name }) => name),
  );
  return { columns, lossy };
}

/** Index after the last descendant of node `at`. */
function endOf(nodes: readonly SchemaNode[], at: number): number {
  let end = at + 1;
  for (let open = nodes[at]?.num_children ?? 0; open > 0 && end < nodes.length; end += 1) {
    open += (nodes[end]?.num_children ?? 0) - 1;
  }
  return end;
}

/** What a leaf holds that DuckDB's type for it does not: nanoseconds of an instant, digits of a wide decimal. */
function lossOf(node: SchemaNode): string | null {
  if (node.type === 'INT96') return 'INT96 nanoseconds';
  const logical = node.logical_type ?? '';
  if (/isAdjustedToUTC=1/.test(logical) && /NANOS=NanoSeconds/.test(logical))
    return 'nanoseconds with time zone';
  const isDecimal = node.converted_type === 'DECIMAL' || logical.startsWith('DecimalType');
  if (isDecimal && node.duckdb_type === 'DOUBLE')
    return `DECIMAL(${node.precision ?? digits(logical, 'precision')},${node.scale ?? digits(logical, 'scale')})`;
  return null;
}

function digits(logical: string, field: string): string {
  return new RegExp(`${field}=(\\d+)`).exec(logical)?.[1] ?? '0';
}

/** DuckDB's names are the same in upper and lower case; it renames the second of two. */
function refuseUnclearNames(path: string, written: readonly string[], read: readonly string[]): void {
  for (const [index, name] of written.entries()) {
    if (read[index] !== name) {
      throw new Failure(
        'COLUMN_AMBIGUOUS',
        `${path} has two columns with the name ${name}, or names that differ in letter case only.`,
        {
          place: { file: path, field: name },
        },
      );
    }
    if (RESERVED_NAMES.includes(name.toLowerCase())) {
      throw new Failure(
        'COLUMN_AMBIGUOUS',
        `${path} has a column ${name}; this name is taken for the place of a row.`,
        {
          place: { file: path, field: name },
          next: 'Rename the column in the input.',
        },
      );
    }
  }
}

/** Each file's columns in the first file's order. Fails with SCHEMA_MISMATCH, naming all files whose columns are not the same. */
function inFirstOrder(files: readonly DescribedFile[]): DescribedFile[] {
  const [first] = files;
  if (first === undefined) return [];
  const different: Failure[] = [];
  const ordered = files.map((file) => {
    const difference = differenceOf(first, file);
    if (difference !== null) different.push(difference);
    const byName = new Map(file.columns.map((column) => [column.name, column]));
    return { ...file, columns: first.columns.map((column) => byName.get(column.name) ?? column) };
  });
  const [one, ...others] = different;
  if (one !== undefined) throw failureOfFiles([one, ...others]);
  return ordered;
}

/** The first column in which a file differs. Null: there is none. */
function differenceOf(first: DescribedFile, file: DescribedFile): Failure | null {
  const byName = new Map(file.columns.map((column) => [column.name, column]));
  for (const { name, type } of first.columns) {
    const column = byName.get(name);
    if (column === undefined)
      return mismatch(first, file, name, `${first.path} has a column ${name}, ${file.path} has not.`);
    if (column.type !== type) {
      return mismatch(
        first,
        file,
        name,
        `Column ${name} is ${type} in ${first.path}, but ${column.type} in ${file.path}.`,
      );
    }
  }
  if (file.columns.length === first.columns.length) return null;
  const names = new Set(first.columns.map(({ name }) => name));
  const extra = file.columns.find(({ name }) => !names.has(name));
  return extra === undefined
    ? null
    : mismatch(first, file, extra.name, `${file.path} has a column ${extra.name}, ${first.path} has not.`);
}

function mismatch(first: DescribedFile, file: DescribedFile, field: string, sentence: string): Failure {
  return new Failure('SCHEMA_MISMATCH', sentence, { place: { file: file.path, field }, cause: first.path });
}

/** Whatever DuckDB cannot make of a file's footer is the file's fault, unless the file cannot be had at all. */
function blame(path: string, cause: unknown): Failure {
  const failure = duckdbFailure(cause, { reads: [path] });
  if (failure.code !== 'STORAGE_FAILED' && failure.code !== 'SPEC_INVALID') return failure;
  return new Failure(
    'SOURCE_CORRUPT',
    `${quoteText(path)} is not a readable Parquet file: ${failure.message}`,
    { place: { file: path }, cause },
  );
}
