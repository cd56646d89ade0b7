import duckdb, { type Connection } from '@duckdb/node-bindings';
import { queryJson, quoteName, quotePath, quoteText, sqlList } from './duckdb.ts';
import { duckdbFailure } from './duckdb-failure.ts';
import type { DuplicateKey, TableColumn } from './engine.ts';

/** A value that stands more than once in a column of these files together; null: there is none. Spills to disk. */
export async function findDuplicate(
  connection: Connection,
  paths: readonly string[],
  column: string,
): Promise<DuplicateKey | null> {
  if (paths.length === 0) return null;
  const name = quoteName(column);
  const [found] = await queryJson<{ key: string | null; rows: number }>(
    connection,
    `SELECT ${name}::VARCHAR AS key, count(*) AS rows FROM read_parquet(${sqlList(paths)})
     GROUP BY ${name} HAVING count(*) > 1 LIMIT 1`,
  ).catch((error: unknown) => {
    throw duckdbFailure(error, { reads: paths });
  });
  return found === undefined ? null : { key: String(found.key), rows: Number(found.rows) };
}

/** The names in the first line of a CSV file with commas, plain or compressed. */
export async function csvHead(connection: Connection, path: string): Promise<string[]> {
  const columns = await queryJson<{ name: string }>(
    connection,
    `SELECT column_name AS name FROM (DESCRIBE SELECT * FROM read_csv(${quotePath(path)}, header = true, all_varchar = true,
      delim = ',', quote = '"', escape = '"'))`,
  ).catch((error: unknown) => {
    throw duckdbFailure(error, { reads: [path] });
  });
  return columns.map(({ name }) => name);
}

/** A Parquet file with these columns and no rows. */
export async function writeEmptyTable(
  connection: Connection,
  path: string,
  columns: readonly TableColumn[],
): Promise<void> {
  const list = columns.map(({ name, type }) => `NULL::${type} AS ${quoteName(name)}`).join(', ');
  await duckdb
    .query(connection, `COPY (SELECT ${list} WHERE false) TO ${quoteText(path)} (FORMAT parquet)`)
    .catch((error: unknown) => {
      throw duckdbFailure(error, { reads: [], writes: path });
    });
}
