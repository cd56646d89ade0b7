import { DuckDBInstance } from '@duckdb/node-api';

/** Runs SQL in a DuckDB of its own, apart from the product's engine, and returns the rows as objects. */
export async function sql(query: string): Promise<Record<string, unknown>[]> {
  const instance = await DuckDBInstance.create(':memory:', { threads: '1', memory_limit: '1GB' });
  const connection = await instance.connect();
  try {
    const result = await connection.runAndReadAll(query);
    return result.getRowObjectsJson() as Record<string, unknown>[];
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

export interface TableOptions {
  readonly rows: number;
  readonly features: number;
  readonly rowGroup?: number;
  /** Number of the first row; keys and values depend on it. */
  readonly from?: number;
}

/** A Parquet file with `id` BIGINT and `f0`, `f1` ... FLOAT, the same for the same numbers every time. */
export async function writeTable(
  path: string,
  { rows, features, rowGroup = 122_880, from = 0 }: TableOptions,
): Promise<void> {
  const columns = Array.from(
    { length: features },
    (_, index) =>
      `((hash(i * ${features} + ${index}) % 2000003)::DOUBLE / 1000001.5 - 1)::FLOAT AS f${index}`,
  );
  await sql(
    `COPY (SELECT i * 7 + 3 AS id, ${columns.join(', ')} FROM range(${from}, ${from + rows}) t(i))
     TO '${path}' (FORMAT parquet, ROW_GROUP_SIZE ${rowGroup})`,
  );
}

export function featureNames(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `f${index}`);
}
