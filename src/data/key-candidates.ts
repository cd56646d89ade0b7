import { MALFORMED_COLUMNS } from '../core/malformed-columns.ts';
import { quoteName, quotePath } from './duckdb.ts';
import { duckdbFailure } from './duckdb-failure.ts';
import { openReadingDatabase } from './reading-database.ts';

export interface KeyCandidates {
  /** Columns without a null and without a value twice, in the order given. */
  readonly columns: readonly string[];
  /** Rows that were looked at, from the first on. */
  readonly rows: number;
}

const MOST_ROWS = 100_000;

/**
 * Which of some columns could tell records apart, by the first 100,000 rows of Parquet files. `malformed`: some of the files
 * have malformed records, in which all columns are null; these do not count.
 */
export async function keyCandidates(
  paths: readonly string[],
  columns: readonly string[],
  malformed: boolean,
): Promise<KeyCandidates> {
  if (paths.length === 0 || columns.length === 0) return { columns: [], rows: 0 };
  await using database = await openReadingDatabase(paths, null);
  const counts = columns.map(
    (column, at) => `(count(*) = count(DISTINCT ${quoteName(column)})) AS is_key_${at}`,
  );
  try {
    const reader = await database.connection.runAndReadAll(
      `SELECT count(*)::DOUBLE AS row_count, ${counts.join(', ')}
         FROM (SELECT ${columns.map(quoteName).join(', ')} FROM read_parquet([${paths.map(quotePath).join(', ')}], hive_partitioning = false, union_by_name = ${malformed}) ${malformed ? `WHERE ${MALFORMED_COLUMNS.line} IS NULL` : ''} LIMIT ${MOST_ROWS})`,
    );
    const [row] = reader.getRowObjectsJson();
    return {
      columns: columns.filter((_, at) => row?.[`is_key_${at}`] === true),
      rows: Number(row?.row_count ?? 0),
    };
  } catch (error) {
    throw duckdbFailure(error, { reads: paths });
  }
}
