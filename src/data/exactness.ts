import type { SourceColumn } from '../core/snapshot.ts';

/**
 * Whether a column's values go from the input's Parquet through DuckDB into a part without changing: 'exact', or the
 * reason why not, as a sentence's end ("column x ..."). Only an 'exact' column may be a key or be included (COLUMN_TYPE).
 *
 * Values are what is kept, not their physical encoding: a timestamp in milliseconds comes out as the same instant in
 * microseconds, a half float as the same number in single precision, fixed-length bytes as bytes.
 */
export function exactness(column: SourceColumn): 'exact' | string {
  const culprit = inexactPart(column.type);
  return culprit === null ? 'exact' : `has the type ${culprit}, which Parquet files cannot carry exactly`;
}

/** Tried with values at their limits, see exactness.test.ts. What is not listed is refused. */
const EXACT_TYPES = new Set([
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
  'BLOB',
  'JSON',
  'UUID',
  'DATE',
  'TIME',
  'TIME_NS',
  'TIMESTAMP',
  'TIMESTAMP_NS',
  'TIMESTAMP WITH TIME ZONE',
  'TIME WITH TIME ZONE',
  'INTERVAL',
]);

/** Wider ones are read as DOUBLE. */
const MAX_DECIMAL_DIGITS = 38;

/** The first part of a (nested) type that is not exact, or null. */
function inexactPart(type: string): string | null {
  if (type.endsWith('[]')) return inexactPart(type.slice(0, -2));
  const nested = /^(STRUCT|MAP|DECIMAL)\((.*)\)$/s.exec(type);
  if (nested === null) return EXACT_TYPES.has(type) ? null : type;
  const [, kind, inner] = nested as unknown as [string, string, string];
  if (kind === 'DECIMAL') return Number.parseInt(inner, 10) <= MAX_DECIMAL_DIGITS ? null : type;
  for (const member of splitTopLevel(inner)) {
    const culprit = inexactPart(kind === 'STRUCT' ? afterName(member) : member);
    if (culprit !== null) return culprit;
  }
  return null;
}

/** Splits at commas that stand outside of brackets and quotes. */
function splitTopLevel(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at];
    if (char === '"') quoted = !quoted;
    else if (quoted) continue;
    else if (char === '(') depth += 1;
    else if (char === ')') depth -= 1;
    else if (char === ',' && depth === 0) {
      parts.push(text.slice(start, at).trim());
      start = at + 1;
    }
  }
  parts.push(text.slice(start).trim());
  return parts;
}

/** The type of a struct's member: what follows its name, which is quoted where it has to be. */
function afterName(member: string): string {
  return member.replace(/^("(?:[^"]|"")*"|\S+)\s+/, '');
}
