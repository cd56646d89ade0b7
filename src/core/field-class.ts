/**
 * What the text of a field can be read as without losing anything, one bit each: a column's classes are the union over
 * all its rows, and decide its type. The scanners of CSV and JSON Lines set them; `inferredType` reads them.
 */
export const NULL = 1;
/** No characters, but not null: text '' in a text column, null in any other. */
export const EMPTY = 2;
export const BOOL = 4;
/** A whole number of at most 2^53 in absolute value. */
export const INT = 8;
/** A whole number beyond that, within 64 bits. */
export const WIDE_INT = 16;
/** A number that a double stands for. */
export const FRACTION = 32;
export const DATE = 64;
export const TIMESTAMP = 128;
/** A timestamp with its offset from UTC. */
export const INSTANT = 256;
export const TEXT = 512;
/** JSON lists of one kind; nulls in them do not count. */
export const LIST_EMPTY = 1024;
export const LIST_BOOL = 2048;
export const LIST_INT = 4096;
export const LIST_WIDE_INT = 8192;
export const LIST_FRACTION = 16384;
export const LIST_TEXT = 32768;
/** Any other JSON list or object. */
export const JSON_TEXT = 65536;

const NO_VALUE = NULL | EMPTY;
const LISTS = LIST_EMPTY | LIST_BOOL | LIST_INT | LIST_WIDE_INT | LIST_FRACTION | LIST_TEXT;

/** By the classes that may occur together: the type that holds all of them exactly. The first that fits counts. */
const TYPES: readonly (readonly [classes: number, type: string])[] = [
  [BOOL, 'BOOLEAN'],
  [INT | WIDE_INT, 'BIGINT'],
  [INT | FRACTION, 'DOUBLE'],
  [DATE, 'DATE'],
  [DATE | TIMESTAMP, 'TIMESTAMP'],
  [INSTANT, 'TIMESTAMP WITH TIME ZONE'],
  [LIST_EMPTY | LIST_BOOL, 'BOOLEAN[]'],
  [LIST_EMPTY | LIST_INT | LIST_WIDE_INT, 'BIGINT[]'],
  [LIST_EMPTY | LIST_INT | LIST_FRACTION, 'DOUBLE[]'],
  [LIST_EMPTY | LIST_TEXT, 'VARCHAR[]'],
];

/**
 * The type of a column of these classes. Without any value it is DOUBLE (or VARCHAR when there are empty texts): a day
 * without rows must not fail for a type that no row has.
 */
export function inferredType(classes: number): string {
  const values = classes & ~NO_VALUE;
  if (values === 0) return (classes & EMPTY) === 0 ? 'DOUBLE' : 'VARCHAR';
  if (values === LIST_EMPTY) return 'DOUBLE[]';
  return TYPES.find(([fitting]) => (values & ~fitting) === 0)?.[1] ?? 'VARCHAR';
}

/** Of a column that became text though some of it is not: the class that is to blame. Null: it is text throughout. */
export function decidingClass(classes: number): number | null {
  const values = classes & ~NO_VALUE;
  if (inferredType(classes) !== 'VARCHAR' || values === 0) return null;
  if (values === TEXT) return TEXT;
  for (const blamed of [
    TEXT,
    JSON_TEXT,
    WIDE_INT,
    LIST_WIDE_INT,
    INSTANT,
    BOOL,
    DATE,
    TIMESTAMP,
    LISTS,
    INT,
  ]) {
    if ((values & blamed) !== 0) return values & blamed & -(values & blamed);
  }
  return null;
}

/** Whether every value of these classes is one of the type, as it is: a whole number also is a DOUBLE, a date a TIMESTAMP. */
export function isOfType(classes: number, type: string): boolean {
  const values = classes & ~NO_VALUE;
  if (values === 0) return true;
  if (type === 'VARCHAR') return values === TEXT;
  const fitting = TYPES.find(([, name]) => name === type)?.[0] ?? 0;
  return (values & ~fitting) === 0;
}
