import type { Connection } from '@duckdb/node-bindings';
import { Failure } from '../core/errors.ts';
import { VALUE } from './convert-rows.ts';
import { queryJson, quoteName, quotePath } from './duckdb.ts';

/** A column of texts whose type is decided by all of them. */
export interface LateColumn {
  readonly name: string;
  /**
   * `decimal`: decimal numbers, `NaN` and `Infinity`. `dynamic`: each value with its class in front: `i` a whole number, `r` a
   * real one, `t` text, `b` bytes in hex.
   */
  readonly late: 'decimal' | 'dynamic';
  /** Type of a column without values. */
  readonly type: string;
}

/** As `ConvertedColumn` says it. */
export interface DecidedColumn {
  readonly type: string;
  readonly sql?: string;
}

const MAX_DIGITS = 38;

/**
 * Decides the types of columns over all files: the DECIMAL that holds all values exactly; or the one type of all values of a
 * dynamic column (whole numbers among real ones are real if they are exactly that).
 *
 * Fails with COLUMN_TYPE, naming the column, if there is none.
 */
export async function decideTypes(
  connection: Connection,
  paths: readonly string[],
  columns: readonly LateColumn[],
): Promise<ReadonlyMap<string, DecidedColumn>> {
  const facts = columns.flatMap(({ name, late }, at) =>
    (late === 'decimal' ? decimalFacts(quoteName(name)) : dynamicFacts(quoteName(name))).map(
      (sql, index) => `${sql} AS f${at}_${index}`,
    ),
  );
  const [row = {}] = await queryJson<Record<string, number | null>>(
    connection,
    `SELECT ${facts.join(', ')} FROM read_parquet([${paths.map(quotePath).join(', ')}], union_by_name = false)`,
  );
  return new Map(
    columns.map((column, at) => {
      const of = (index: number) => row[`f${at}_${index}`] ?? 0;
      return [
        column.name,
        column.late === 'decimal' ? decimal(column, of(0), of(1), of(2)) : dynamic(column, of),
      ];
    }),
  );
}

function decimalFacts(raw: string): string[] {
  const whole = `ltrim(ltrim(split_part(${raw}, '.', 1), '-'), '0')`;
  const isNumber = `${raw} SIMILAR TO '-?[0-9]+(\\.[0-9]+)?'`;
  return [
    `max(length(${whole})) FILTER (${isNumber})`,
    `max(length(split_part(${raw}, '.', 2))) FILTER (${isNumber})`,
    `count(${raw})`,
  ];
}

function decimal({ name, type }: LateColumn, whole: number, scale: number, values: number): DecidedColumn {
  if (values === 0) return { type };
  const digits = Math.max(1, whole + scale);
  if (digits <= MAX_DIGITS) return { type: `DECIMAL(${digits},${scale})` };
  throw new Failure(
    'COLUMN_TYPE',
    `Column "${name}" holds numbers with ${whole} digits before the point and ${scale} behind it, and a decimal has ${MAX_DIGITS} at most.`,
    {
      place: { field: name },
      next: `Cast it in the query: CAST("${name}" AS numeric(38, 10)), or to double precision.`,
    },
  );
}

function dynamicFacts(raw: string): string[] {
  const ofClass = (letter: string) => `count(*) FILTER (starts_with(${raw}, '${letter}'))`;
  return [
    ofClass('i'),
    ofClass('r'),
    ofClass('t'),
    ofClass('b'),
    `count(*) FILTER (starts_with(${raw}, 'i') AND abs(TRY_CAST(substr(${raw}, 2) AS HUGEINT)) > 9007199254740992)`,
  ];
}

function dynamic({ name, type }: LateColumn, of: (index: number) => number): DecidedColumn {
  const text = `substr(${VALUE}, 2)`;
  const [wholes, reals, texts, bytes, large] = [of(0), of(1), of(2), of(3), of(4)];
  const classes = [
    ['whole numbers', wholes],
    ['real numbers', reals],
    ['texts', texts],
    ['bytes', bytes],
  ].filter(([, count]) => count !== 0);
  if (classes.length === 0) return { type, sql: text };
  if (classes.length === 1) {
    if (wholes > 0) return { type: 'BIGINT', sql: text };
    if (reals > 0) return { type: 'DOUBLE', sql: text };
    if (texts > 0) return { type: 'VARCHAR', sql: text };
    return { type: 'BLOB', sql: `unhex(${text})` };
  }
  if (classes.length === 2 && wholes > 0 && reals > 0 && large === 0) return { type: 'DOUBLE', sql: text };
  throw new Failure(
    'COLUMN_TYPE',
    `Column "${name}" holds ${classes.map(([what, count]) => `${count} ${what}`).join(' and ')}, which no one type carries exactly.`,
    {
      place: { field: name },
      next: `Cast it in the query: CAST("${name}" AS REAL), or AS TEXT.`,
    },
  );
}
