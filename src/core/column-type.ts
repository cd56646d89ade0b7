/** Names that people use for a type, to the one that DuckDB prints. */
const ALIASES: Readonly<Record<string, string>> = {
  BOOL: 'BOOLEAN',
  INT: 'INTEGER',
  REAL: 'FLOAT',
  TEXT: 'VARCHAR',
  STRING: 'VARCHAR',
  TIMESTAMPTZ: 'TIMESTAMP WITH TIME ZONE',
};

/** Types that `input.types` may declare, beside DECIMAL(p,s) and, for JSON Lines, lists of them: `DOUBLE[]`. */
export const DECLARABLE_TYPES: readonly string[] = [
  'BOOLEAN',
  'TINYINT',
  'SMALLINT',
  'INTEGER',
  'BIGINT',
  'UTINYINT',
  'USMALLINT',
  'UINTEGER',
  'UBIGINT',
  'FLOAT',
  'DOUBLE',
  'VARCHAR',
  'DATE',
  'TIMESTAMP',
  'TIMESTAMP WITH TIME ZONE',
];

/** A type as DuckDB prints it, from a name in any letter case; null for what cannot be declared. */
export function declaredType(name: string): string | null {
  const text = name.trim().toUpperCase().replace(/\s+/g, ' ');
  if (text.endsWith('[]')) {
    const element = declaredType(text.slice(0, -2));
    return element === null || element.endsWith('[]') ? null : `${element}[]`;
  }
  const decimal = /^(?:DECIMAL|NUMERIC) ?\( ?(\d{1,2}) ?(?:, ?(\d{1,2}) ?)?\)$/.exec(text);
  if (decimal !== null) {
    const precision = Number(decimal[1]);
    const scale = Number(decimal[2] ?? 0);
    return precision >= 1 && precision <= 38 && scale <= precision ? `DECIMAL(${precision},${scale})` : null;
  }
  const type = Object.hasOwn(ALIASES, text) ? (ALIASES[text] as string) : text;
  return DECLARABLE_TYPES.includes(type) ? type : null;
}

const WHOLE: Readonly<Record<string, readonly [least: bigint, most: bigint]>> = {
  TINYINT: [-(2n ** 7n), 2n ** 7n - 1n],
  SMALLINT: [-(2n ** 15n), 2n ** 15n - 1n],
  INTEGER: [-(2n ** 31n), 2n ** 31n - 1n],
  BIGINT: [-(2n ** 63n), 2n ** 63n - 1n],
  UTINYINT: [0n, 2n ** 8n - 1n],
  USMALLINT: [0n, 2n ** 16n - 1n],
  UINTEGER: [0n, 2n ** 32n - 1n],
  UBIGINT: [0n, 2n ** 64n - 1n],
};
const WHOLE_TEXT = /^ *[+-]?\d{1,40} *$/;
const NUMBER_TEXT = /^ *[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d{1,6})? *$/i;
const SPECIAL_TEXT = /^ *[+-]?(nan|inf|infinity) *$/i;
const BOOLEAN_TEXT = /^(true|false|t|f|yes|no|y|n|1|0)$/i;
const DECIMAL_TEXT = /^ *[+-]?0*(\d*)(?:\.(\d*?)0*)? *$/;

/**
 * Whether a text is a value of a declared type: a user who declares a type says what a text means, so leading zeros and a
 * plus sign are fine, and a fraction is rounded to the nearest double; what the type cannot hold does not fit.
 * `decimal` is the decimal separator.
 */
export function fitsType(text: string, type: string, decimal: string): boolean {
  if (type === 'VARCHAR') return true;
  const range = WHOLE[type];
  if (range !== undefined) {
    if (!WHOLE_TEXT.test(text)) return false;
    const value = BigInt(text.trim().replace('+', ''));
    return value >= range[0] && value <= range[1];
  }
  if (type === 'BOOLEAN') return BOOLEAN_TEXT.test(text);
  if (type === 'DATE') return isDate(text);
  if (type === 'TIMESTAMP') return isDate(text) || timestampKind(text) === 'local';
  if (type === 'TIMESTAMP WITH TIME ZONE') return timestampKind(text) === 'instant';
  const point = decimal === '.' ? text : text.includes('.') ? '' : text.replace(decimal, '.');
  if (type === 'DOUBLE' || type === 'FLOAT') {
    if (SPECIAL_TEXT.test(point)) return true;
    if (!NUMBER_TEXT.test(point)) return false;
    const value = Number(point.trim());
    return Number.isFinite(type === 'FLOAT' ? Math.fround(value) : value);
  }
  const [, precision, scale] = /^DECIMAL\((\d+),(\d+)\)$/.exec(type) ?? [];
  const digits = DECIMAL_TEXT.exec(point);
  if (digits === null || !/\d/.test(point)) return false;
  const whole = (digits[1] ?? '').length;
  return whole <= Number(precision) - Number(scale) && (digits[2] ?? '').length <= Number(scale);
}

/** A day of the calendar, years 0001 to 9999: `2025-02-28`. */
export function isDate(text: string): boolean {
  if (!/^\d{4}-\d\d-\d\d$/.test(text)) return false;
  const year = Number(text.slice(0, 4));
  const month = Number(text.slice(5, 7));
  const day = Number(text.slice(8, 10));
  return year >= 1 && month >= 1 && month <= 12 && day >= 1 && day <= daysOf(year, month);
}

function daysOf(year: number, month: number): number {
  if (month !== 2) return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
  return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28;
}

const TIMESTAMP_TEXT =
  /^(\d{4}-\d\d-\d\d)[T ]([01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,6})?(Z|[+-](?:0\d|1[0-4]):[0-5]\d)?$/;

/** ISO 8601 down to microseconds, without a leap second: with an offset an instant, else local. Null: none. */
export function timestampKind(text: string): 'local' | 'instant' | null {
  const parts = TIMESTAMP_TEXT.exec(text);
  if (parts === null || !isDate(parts[1] as string)) return null;
  return parts[3] === undefined ? 'local' : 'instant';
}
