import type { ElementType } from '../core/columns.ts';
import { Failure } from '../core/errors.ts';
import type { SourceColumn } from '../core/snapshot.ts';
import { quoteName } from './duckdb.ts';
import type { FeatureColumn } from './engine.ts';

/**
 * How a column becomes what the model takes.
 *
 * - exact: every value fits as it is (or is rounded, for fractions: DOUBLE and DECIMAL to a float type).
 * - checked: a value may not fit; it is cast there and back and compared.
 */
export type Fit = 'exact' | 'checked';

/** Fit of a column type (DuckDB's name) to an element type; null when the one cannot stand for the other. */
export function fitOf(columnType: string, element: ElementType): Fit | null {
  if (element === 'string') return columnType === 'VARCHAR' ? 'exact' : null;
  if (element === 'bool') return columnType === 'BOOLEAN' ? 'exact' : null;
  if (columnType === 'BOOLEAN') return 'exact';
  const isFloat = element === 'float32' || element === 'float64';
  if (columnType === 'FLOAT') return isFloat ? 'exact' : 'checked';
  // A double beyond the range of float32 does not fit.
  if (columnType === 'DOUBLE') return element === 'float64' ? 'exact' : 'checked';
  const decimal = /^DECIMAL\((\d+),(\d+)\)$/.exec(columnType);
  if (decimal !== null) return isFloat && Number(decimal[2]) > 0 ? 'exact' : 'checked';
  const from = WHOLE_RANGES[columnType];
  if (from === undefined) return null;
  const to = ELEMENT_RANGES[element];
  return from[0] >= to[0] && from[1] <= to[1] ? 'exact' : 'checked';
}

export interface FeatureSql {
  /** The value in the element's type; null where the row is to be rejected. */
  readonly value: string;
  /** 'never': no row is null. 'null': null rows have a null feature. 'inexact': they hold a value that does not fit. 'either': `isNull` tells. */
  readonly nullMeans: 'never' | 'null' | 'inexact' | 'either';
  /** BOOLEAN expression; only for 'either'. */
  readonly isNull: string | null;
}

/** Fails with COLUMN_TYPE when the column cannot feed the element type, SPEC_INVALID when `onNull` does not fit it. */
export function featureSql(
  feature: FeatureColumn,
  source: SourceColumn,
  onNull: 'reject' | number,
): FeatureSql {
  const column = quoteName(source.name);
  const target = DUCKDB_TYPES[feature.type];
  const from = readAs(source.type);
  const fit = fitOf(from, feature.type);
  if (fit === null) {
    throw new Failure(
      'COLUMN_TYPE',
      `Column ${source.name} is ${source.type} and cannot be given to a model that wants ${feature.type}.`,
      {
        place: { field: source.name },
      },
    );
  }
  const cast = from === target ? column : `CAST(${column} AS ${target})`;
  const value = fit === 'exact' ? cast : checkedCast(column, from, target);
  if (source.neverNull) return { value, nullMeans: fit === 'exact' ? 'never' : 'inexact', isNull: null };

  if (onNull !== 'reject' && canStandIn(onNull, feature)) {
    const stand = standIn(onNull, feature);
    const replaced = `CASE WHEN ${column} IS NULL THEN ${stand} ELSE ${value} END`;
    return { value: replaced, nullMeans: fit === 'exact' ? 'never' : 'inexact', isNull: null };
  }
  if (fit === 'exact') return { value, nullMeans: 'null', isNull: null };
  return { value, nullMeans: 'either', isNull: `${column} IS NULL` };
}

/** Null where the value does not survive the way there and back; fractions may be rounded to float32, not overflow it. */
function checkedCast(column: string, from: string, to: string): string {
  const cast = `TRY_CAST(${column} AS ${to})`;
  if (from === 'DOUBLE' && to === 'FLOAT') return cast;
  return `CASE WHEN TRY_CAST(${cast} AS ${from}) = ${column} THEN ${cast} END`;
}

/** The type that expressions see: DuckDB reads a decimal of more than 38 digits as DOUBLE. */
function readAs(columnType: string): string {
  const decimal = /^DECIMAL\((\d+),/.exec(columnType);
  return decimal !== null && Number(decimal[1]) > 38 ? 'DOUBLE' : columnType;
}

/** NaN stands for null in float features only; text and truth values have no stand-in. */
function canStandIn(onNull: number, { type }: FeatureColumn): boolean {
  if (type === 'string' || type === 'bool') return false;
  return !Number.isNaN(onNull) || type === 'float32' || type === 'float64';
}

function standIn(onNull: number, feature: FeatureColumn): string {
  const type = feature.type;
  if (type !== 'float32' && type !== 'float64' && type !== 'string' && type !== 'bool') {
    const range = ELEMENT_RANGES[type];
    if (!Number.isInteger(onNull) || BigInt(onNull) < range[0] || BigInt(onNull) > range[1]) {
      throw new Failure(
        'SPEC_INVALID',
        `input.on_null ${onNull} is no ${type}, which the model wants for column ${feature.column}.`,
        {
          place: { field: 'input.on_null' },
        },
      );
    }
  }
  const text = Number.isFinite(onNull) ? String(onNull) : onNull > 0 ? 'inf' : onNull < 0 ? '-inf' : 'nan';
  return `CAST('${text}' AS ${DUCKDB_TYPES[type]})`;
}

export const DUCKDB_TYPES: Readonly<Record<ElementType, string>> = {
  float32: 'FLOAT',
  float64: 'DOUBLE',
  int8: 'TINYINT',
  int16: 'SMALLINT',
  int32: 'INTEGER',
  int64: 'BIGINT',
  uint8: 'UTINYINT',
  uint16: 'USMALLINT',
  uint32: 'UINTEGER',
  uint64: 'UBIGINT',
  bool: 'BOOLEAN',
  string: 'VARCHAR',
};

type Range = readonly [bigint, bigint];
const signed = (bits: bigint): Range => [-(2n ** (bits - 1n)), 2n ** (bits - 1n) - 1n];
const unsigned = (bits: bigint): Range => [0n, 2n ** bits - 1n];

const WHOLE_RANGES: Readonly<Record<string, Range>> = {
  TINYINT: signed(8n),
  SMALLINT: signed(16n),
  INTEGER: signed(32n),
  BIGINT: signed(64n),
  UTINYINT: unsigned(8n),
  USMALLINT: unsigned(16n),
  UINTEGER: unsigned(32n),
  UBIGINT: unsigned(64n),
};

/** Whole numbers that the type holds without gaps. */
const ELEMENT_RANGES: Readonly<Record<Exclude<ElementType, 'string' | 'bool'>, Range>> = {
  float32: [-(2n ** 24n), 2n ** 24n],
  float64: [-(2n ** 53n), 2n ** 53n],
  int8: signed(8n),
  int16: signed(16n),
  int32: signed(32n),
  int64: signed(64n),
  uint8: unsigned(8n),
  uint16: unsigned(16n),
  uint32: unsigned(32n),
  uint64: unsigned(64n),
};
