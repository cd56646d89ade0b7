import { MALFORMED_COLUMNS } from '../core/malformed-columns.ts';
import { quoteName, quotePath, quoteText } from './duckdb.ts';
import { duckdbFailure } from './duckdb-failure.ts';
import { openReadingDatabase } from './reading-database.ts';

export interface RejectFile {
  /** Absolute. */
  readonly path: string;
  readonly rows: number;
}

/** Rejects with one code. */
export interface RejectGroup {
  readonly code: string;
  readonly rows: number;
  /** The most frequent first; of the rows that were looked at. */
  readonly causes: readonly RejectCause[];
}

/** Messages that differ in numbers only. */
export interface RejectCause {
  /** One of the messages. */
  readonly message: string;
  readonly rows: number;
  /** Keys of some of them (or `file:row`, see `RejectGroups.key`); of malformed records, which have none, `line 7 of file`. */
  readonly samples: readonly string[];
}

export interface RejectGroups {
  readonly groups: readonly RejectGroup[];
  /** The column that the samples are keys of; null: they are `file:row`, where the first row of a file is 0. */
  readonly key: string | null;
  /** Rows whose codes were counted, in order of the input. */
  readonly countedRows: number;
  /** Rows whose messages were compared, from the first on. */
  readonly comparedRows: number;
}

/**
 * Bounds of the work, so that a job with millions of rejects is shown about as quickly as one with ten. Measured: 10 M rows
 * in 20 files 0.5 s, 1,000 files of one row 0.9 s, of one core.
 */
const MOST_FILES = 1_000;
const MOST_COMPARED = 100_000;
const MOST_CAUSES = 5;
const SAMPLES = 3;

/** Groups the rejects of a job by cause. `key`: the key column; null: file and row number are the key. */
export async function groupRejects(files: readonly RejectFile[], key: string | null): Promise<RejectGroups> {
  const counted = files.slice(0, MOST_FILES);
  const paths = counted.map(({ path }) => path);
  if (paths.length === 0) return { groups: [], key, countedRows: 0, comparedRows: 0 };
  await using database = await openReadingDatabase(paths, null);
  const ask = async (sql: string) => {
    try {
      return (await database.connection.runAndReadAll(sql)).getRowObjectsJson();
    } catch (error) {
      throw duckdbFailure(error, { reads: paths });
    }
  };
  const codes = await ask(
    `SELECT code, count(*)::DOUBLE AS rows FROM ${scan(paths)} GROUP BY code ORDER BY rows DESC, code`,
  );
  const keyText = key === null ? `source_file || ':' || source_row` : `${quoteName(key)}::VARCHAR`;
  const compared = firstFiles(counted, MOST_COMPARED);
  const comparedScan = scan(compared.map(({ path }) => path));
  const { line, file } = MALFORMED_COLUMNS;
  const columns = await ask(`SELECT column_name FROM (DESCRIBE SELECT * FROM ${comparedScan})`);
  const malformed = columns.some(({ column_name: name }) => name === line)
    ? `'line ' || ${line} || ' of ' || ${file}, `
    : '';
  const causes = await ask(
    `SELECT code, min(message) AS message, count(*)::DOUBLE AS rows, list(key ORDER BY n)[:${SAMPLES}] AS samples
       FROM (SELECT code, message, coalesce(${malformed}${keyText}, 'null') AS key, row_number() OVER () AS n, ${SHAPE} AS shape
               FROM (SELECT * FROM ${comparedScan} LIMIT ${MOST_COMPARED}))
      GROUP BY code, shape
    QUALIFY row_number() OVER (PARTITION BY code ORDER BY count(*) DESC, min(n)) <= ${MOST_CAUSES}
      ORDER BY code, rows DESC, min(n)`,
  );
  return {
    groups: codes.map(({ code, rows }) => ({
      code: String(code),
      rows: Number(rows),
      causes: causes
        .filter((cause) => cause.code === code)
        .map((cause) => ({
          message: String(cause.message),
          rows: Number(cause.rows),
          samples: (cause.samples as unknown[]).map(String),
        })),
    })),
    key,
    countedRows: sumRows(counted),
    comparedRows: Math.min(MOST_COMPARED, sumRows(compared)),
  };
}

/** Numbers that stand alone are the record's own values; digits in a name, as in `f12`, belong to the cause. */
const SHAPE = `regexp_replace(message, ${quoteText(String.raw`(^|[^\w.])[-+]?\d[\d.,]*(e[-+]?\d+)?`)}, ${quoteText(String.raw`\1#`)}, 'gi')`;

/** Files that a retry has taken over may have columns more, or less: those for malformed records. */
function scan(paths: readonly string[]): string {
  return `read_parquet([${paths.map(quotePath).join(', ')}], hive_partitioning = false, union_by_name = true)`;
}

/** As many files as hold the first rows. */
function firstFiles(files: readonly RejectFile[], rows: number): RejectFile[] {
  let sum = 0;
  return files.filter((file) => {
    const wanted = sum < rows;
    sum += file.rows;
    return wanted;
  });
}

function sumRows(files: readonly RejectFile[]): number {
  return files.reduce((sum, { rows }) => sum + rows, 0);
}
