import type { OutputBinding } from '../core/signature.ts';
import { quoteName, quotePath } from './duckdb.ts';
import { duckdbFailure } from './duckdb-failure.ts';
import { openReadingDatabase } from './reading-database.ts';

/** What the values of a published column look like. Numbers of lists are those of their elements. */
export interface PredictionFacts {
  readonly column: string;
  /** Of what is finite; null: there are none, or it is no number. */
  readonly range: { readonly least: number; readonly mean: number; readonly most: number } | null;
  /** NaN and infinite values. */
  readonly nonFinite: number;
  /** The most frequent first, at most 10; null: a column of fractions, or of lists. */
  readonly values: readonly { readonly value: string; readonly rows: number }[] | null;
}

export interface KeyFacts {
  readonly rows: number;
  readonly distinct: number;
  /** A key that stands more than once, as text. */
  readonly example: string | null;
}

const MOST_VALUES = 10;

/** Facts of the columns that a model's outputs became, in the parts of a sample. */
export async function predictionFacts(
  parts: readonly string[],
  outputs: readonly OutputBinding[],
  key: string | null,
): Promise<{ readonly predictions: PredictionFacts[]; readonly key: KeyFacts | null }> {
  await using database = await openReadingDatabase(parts, null);
  const from = `read_parquet([${parts.map(quotePath).join(', ')}], hive_partitioning = false)`;
  const ask = async (sql: string) => {
    try {
      return (await database.connection.runAndReadAll(sql)).getRowObjectsJson();
    } catch (error) {
      throw duckdbFailure(error, { reads: parts });
    }
  };
  const predictions: PredictionFacts[] = [];
  for (const { column, type, shape } of outputs) {
    const name = quoteName(column);
    const elements =
      shape === 'list' ? `(SELECT unnest(${name}) AS v FROM ${from})` : `(SELECT ${name} AS v FROM ${from})`;
    const isNumber = type !== 'string' && type !== 'bool';
    const isFraction = type.startsWith('float');
    let range: PredictionFacts['range'] = null;
    let nonFinite = 0;
    if (isNumber) {
      const finite = isFraction ? 'isfinite(v)' : 'true';
      const [row] = await ask(
        `SELECT min(v) FILTER (${finite})::DOUBLE AS least, avg(v::DOUBLE) FILTER (${finite}) AS mean,
                max(v) FILTER (${finite})::DOUBLE AS most, count(*) FILTER (NOT (${finite}))::DOUBLE AS odd FROM ${elements}`,
      );
      if (row !== undefined && row.least !== null)
        range = { least: Number(row.least), mean: Number(row.mean), most: Number(row.most) };
      nonFinite = Number(row?.odd ?? 0);
    }
    let values: PredictionFacts['values'] = null;
    if (shape === 'scalar' && !isFraction) {
      const rows = await ask(
        `SELECT v::VARCHAR AS value, count(*)::DOUBLE AS rows FROM ${elements} GROUP BY v ORDER BY rows DESC, value LIMIT ${MOST_VALUES}`,
      );
      values = rows.map(({ value, rows: count }) => ({ value: String(value), rows: Number(count) }));
    }
    predictions.push({ column, range, nonFinite, values });
  }
  if (key === null) return { predictions, key: null };
  const [facts] = await ask(
    `SELECT count(*)::DOUBLE AS rows, count(DISTINCT ${quoteName(key)})::DOUBLE AS keys FROM ${from}`,
  );
  const [twice] = await ask(
    `SELECT ${quoteName(key)}::VARCHAR AS key FROM ${from} GROUP BY ${quoteName(key)} HAVING count(*) > 1 LIMIT 1`,
  );
  return {
    predictions,
    key: {
      rows: Number(facts?.rows ?? 0),
      distinct: Number(facts?.keys ?? 0),
      example: twice === undefined ? null : String(twice.key),
    },
  };
}
