import type { ElementType } from '../core/columns.ts';
import { Failure } from '../core/errors.ts';
import { type ListType, listType } from '../core/list-type.ts';
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
  if (element === 'float16' && /^(FLOAT|DOUBLE|DECIMAL\()/.test(columnType)) return 'checked';
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
  /** The value in the element's type, or the list of them; null where the row is to be rejected. */
  readonly value: string;
  /** 'never': no row is null. 'null': null rows have a null feature. 'inexact': they hold a value that does not fit. 'either': `flaw` tells. */
  readonly nullMeans: 'never' | 'null' | 'inexact' | 'either';
  /** UTINYINT expression, a number of `FLAWS` (0: none); for 'either' only. */
  readonly flaw: string | null;
}

/** What `flaw` gives: why a row is to be rejected. */
export const FLAWS = { null: 1, inexact: 2, nullInside: 3, length: 4 } as const;

/** Fails with COLUMN_TYPE when the column cannot feed the element type, SPEC_INVALID when `onNull` does not fit it. */
export function featureSql(
  feature: FeatureColumn,
  source: SourceColumn,
  onNull: 'reject' | number,
): FeatureSql {
  if (feature.list !== undefined) return listFeatureSql(feature, feature.list, source);
  const column = quoteName(source.name);
  const target = DUCKDB_TYPES[feature.type];
  const from = readAs(source.type);
  const fit = fitOf(from, feature.type);
  if (fit === null) throw cannotFeed(source, feature);
  const cast = from === target ? column : `CAST(${column} AS ${target})`;
  const value = fit === 'exact' ? cast : checkedCast(column, from, feature.type);
  if (source.neverNull) return { value, nullMeans: fit === 'exact' ? 'never' : 'inexact', flaw: null };

  if (onNull !== 'reject' && canStandIn(onNull, feature)) {
    const stand = standIn(onNull, feature);
    const replaced = `CASE WHEN ${column} IS NULL THEN ${stand} ELSE ${value} END`;
    return { value: replaced, nullMeans: fit === 'exact' ? 'never' : 'inexact', flaw: null };
  }
  if (fit === 'exact') return { value, nullMeans: 'null', flaw: null };
  const flaw = `CASE WHEN ${column} IS NULL THEN ${FLAWS.null} ELSE ${FLAWS.inexact} END::UTINYINT`;
  return { value, nullMeans: 'either', flaw };
}

/**
 * A column of lists, nested as deep as there are dimensions or flat. The value is the flat list of the elements. Nulls,
 * as a whole or inside, are never replaced: `onNull` is for single values.
 */
function listFeatureSql(
  feature: FeatureColumn,
  dims: readonly (number | null)[],
  source: SourceColumn,
): FeatureSql {
  const { element, depth } = listType(source.type) ?? ({ element: '', depth: 0 } satisfies ListType);
  const from = readAs(element);
  const fit = depth === 1 || depth === dims.length ? fitOf(from, feature.type) : null;
  if (fit === null || feature.type === 'string') throw cannotFeed(source, feature);

  const column = quoteName(source.name);
  const levels = [column];
  for (let level = 1; level < depth; level += 1) levels.push(`flatten(${levels.at(-1)})`);
  const flat = levels.at(-1) as string;
  const value =
    fit === 'exact'
      ? `CAST(${flat} AS ${DUCKDB_TYPES[feature.type]}[])`
      : `[${checkedCast('element', from, feature.type)} FOR element IN ${flat}]`;
  const holed = (list: string): string => `list_count(${list}) <> len(${list})`;
  const flaw = `CASE WHEN ${column} IS NULL THEN ${FLAWS.null}
    WHEN ${levels.map(holed).join(' OR ')} THEN ${FLAWS.nullInside}
    WHEN NOT (${(depth === 1 ? flatLength(flat, dims) : nestedLengths(levels, dims)).join(' AND ')}) THEN ${FLAWS.length}
    ${fit === 'exact' ? '' : `WHEN ${holed(value)} THEN ${FLAWS.inexact}`} ELSE 0 END::UTINYINT`;
  return { value, nullMeans: 'either', flaw };
}

/** With a free dimension, the others must divide the length. */
function flatLength(flat: string, dims: readonly (number | null)[]): string[] {
  const fixed = dims.reduce<number>((all, dim) => all * (dim ?? 1), 1);
  if (!dims.includes(null)) return [`len(${flat}) = ${fixed}`];
  return [fixed === 1 ? 'true' : `len(${flat}) % ${fixed} = 0`];
}

/** All lists of a level have one length: that of the dimension, where it is fixed. */
function nestedLengths(levels: readonly string[], dims: readonly (number | null)[]): string[] {
  return dims.map((dim, level) => {
    if (level === 0) return dim === null ? 'true' : `len(${levels[0]}) = ${dim}`;
    const lengths = `[len(inner_list) FOR inner_list IN ${levels[level - 1]}]`;
    return dim === null
      ? `list_unique(${lengths}) <= 1`
      : `coalesce(list_bool_and([inner_length = ${dim} FOR inner_length IN ${lengths}]), true)`;
  });
}

function cannotFeed(source: SourceColumn, { type, list }: FeatureColumn): Failure {
  const wanted = list === undefined ? type : `lists of ${type}`;
  return new Failure(
    'COLUMN_TYPE',
    `Column ${source.name} is ${source.type} and cannot be given to a model that wants ${wanted}.`,
    { place: { field: source.name } },
  );
}

/** Null where the value does not survive the way there and back; fractions may be rounded to a float, not overflow it. */
function checkedCast(column: string, from: string, element: ElementType): string {
  const to = DUCKDB_TYPES[element];
  const cast = `TRY_CAST(${column} AS ${to})`;
  if (element === 'float16') {
    const fits =
      from in WHOLE_RANGES ? wholeInHalf(column) : `(abs(${cast}) < ${HALF_LIMIT} OR NOT isfinite(${cast}))`;
    return `CASE WHEN ${fits} THEN ${cast} END`;
  }
  if (from === 'DOUBLE' && to === 'FLOAT') return cast;
  return `CASE WHEN TRY_CAST(${cast} AS ${from}) = ${column} THEN ${cast} END`;
}

/** From here on a number rounds to infinity in half precision (IEEE 754 binary16: 11 bits, largest number 65,504). */
const HALF_LIMIT = 65_520;

/** Whole numbers that half precision holds: all up to 2^11, then those that end in ever more zero bits. */
function wholeInHalf(column: string): string {
  const steps = [0, 1, 2, 3, 4, 5].map((zeros) => {
    const most = Math.min(2 ** (11 + zeros), 65_504);
    return `${column} BETWEEN -${most} AND ${most} AND ${column} % ${2 ** zeros} = 0`;
  });
  return `(${steps.map((step) => `(${step})`).join(' OR ')})`;
}

/** The type that expressions see: DuckDB reads a decimal of more than 38 digits as DOUBLE. */
function readAs(columnType: string): string {
  const decimal = /^DECIMAL\((\d+),/.exec(columnType);
  return decimal !== null && Number(decimal[1]) > 38 ? 'DOUBLE' : columnType;
}

/** NaN stands for null in float features only; text and truth values have no stand-in. */
function canStandIn(onNull: number, { type }: FeatureColumn): boolean {
  if (type === 'string' || type === 'bool') return false;
  return !Number.isNaN(onNull) || type in FLOAT_TYPES;
}

function standIn(onNull: number, feature: FeatureColumn): string {
  const type = feature.type;
  if (!(type in FLOAT_TYPES) && type !== 'string' && type !== 'bool') {
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

const FLOAT_TYPES = { float16: true, float32: true, float64: true };

export const DUCKDB_TYPES: Readonly<Record<ElementType, string>> = {
  float16: 'FLOAT',
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
  float16: [-(2n ** 11n), 2n ** 11n],
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
