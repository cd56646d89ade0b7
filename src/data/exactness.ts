import type { SourceColumn } from '../core/snapshot.ts';
import { nestedType } from './nested-type.ts';

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
  const nested = nestedType(type);
  switch (nested.kind) {
    case 'list':
      return inexactPart(nested.of);
    case 'map':
      return inexactPart(nested.key) ?? inexactPart(nested.value);
    case 'struct':
      return firstInexact(nested.members.map((member) => member.type));
    case 'plain': {
      const [, digits] = /^DECIMAL\((\d+),\d+\)$/.exec(type) ?? [];
      if (digits !== undefined) return Number(digits) <= MAX_DECIMAL_DIGITS ? null : type;
      return EXACT_TYPES.has(type) ? null : type;
    }
  }
}

function firstInexact(types: readonly string[]): string | null {
  for (const type of types) {
    const culprit = inexactPart(type);
    if (culprit !== null) return culprit;
  }
  return null;
}
