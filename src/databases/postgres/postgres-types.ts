import { VALUE } from '../../data/convert-rows.ts';
import type { ReadColumn } from '../database.ts';
import { refuseType } from '../query-failure.ts';

/** A row of `pg_type`. */
export interface PostgresType {
  readonly name: string;
  readonly kind: string;
  /** Of the elements, if it is an array; else 0. */
  readonly element: number;
}

/** A column as the server describes it. */
export interface DescribedColumn {
  readonly name: string;
  readonly oid: number;
  readonly modifier: number;
}

/** What the text of a value has to be for DuckDB's CAST: the type's name, and SQL where it is not the text itself. */
type Carried = Pick<ReadColumn, 'type' | 'sql' | 'late'>;

/** `0044-03-15 12:00:00 BC` as DuckDB writes it: its own CAST would overlook the end of a date, and make another day of it. */
const BEFORE_CHRIST = `CASE WHEN ends_with(${VALUE}, ' BC') THEN regexp_replace(${VALUE}, '^(\\S+)(.*) BC$', '\\1 (BC)\\2') ELSE ${VALUE} END`;

const PLAIN: Readonly<Record<string, Carried>> = {
  bool: { type: 'BOOLEAN' },
  int2: { type: 'SMALLINT' },
  int4: { type: 'INTEGER' },
  int8: { type: 'BIGINT' },
  oid: { type: 'UINTEGER' },
  float4: { type: 'FLOAT' },
  float8: { type: 'DOUBLE' },
  text: { type: 'VARCHAR' },
  varchar: { type: 'VARCHAR' },
  bpchar: { type: 'VARCHAR' },
  name: { type: 'VARCHAR' },
  citext: { type: 'VARCHAR' },
  json: { type: 'VARCHAR' },
  jsonb: { type: 'VARCHAR' },
  uuid: { type: 'UUID' },
  bytea: { type: 'BLOB', sql: `unhex(substr(${VALUE}, 3))` },
  date: { type: 'DATE', sql: BEFORE_CHRIST },
  time: { type: 'TIME' },
  timestamp: { type: 'TIMESTAMP', sql: BEFORE_CHRIST },
  timestamptz: { type: 'TIMESTAMP WITH TIME ZONE', sql: BEFORE_CHRIST },
};

/** Arrays of these become lists; texts and times in them have quotes of their own. */
const IN_LISTS = new Set(['bool', 'int2', 'int4', 'int8', 'float4', 'float8', 'numeric']);
/** `{1,NULL}` or, with other bounds, `[2:3]={1,NULL}`, as DuckDB writes lists. */
const AS_LIST = `translate(regexp_replace(${VALUE}, '^.*=', ''), '{}', '[]')`;
/** Of a DECIMAL of DuckDB. */
const MAX_DIGITS = 38;

/** The column as it is carried. Fails with COLUMN_TYPE. */
export function postgresColumn(
  { name, oid, modifier }: DescribedColumn,
  types: ReadonlyMap<number, PostgresType>,
  connection: string,
): ReadColumn {
  const type = types.get(oid);
  const carried = type === undefined ? null : carriedAs(type, modifier, types);
  if (carried !== null) return { name, ...carried };
  throw refuseType(name, type?.name ?? `with the number ${oid}`, connection, `"${name}"::text`);
}

function carriedAs(
  { name, kind, element }: PostgresType,
  modifier: number,
  types: ReadonlyMap<number, PostgresType>,
): Carried | null {
  if (kind === 'e') return { type: 'VARCHAR' };
  if (name === 'numeric') {
    const decimal = decimalType(modifier);
    // Without digits declared, as sum() and avg() give it: the values say how many there are.
    return decimal === null ? { type: 'DECIMAL(38,10)', late: 'decimal' } : { type: decimal };
  }
  const of = types.get(element);
  if (element !== 0 && of !== undefined && name.startsWith('_')) {
    if (!IN_LISTS.has(of.name)) return null;
    const inside = of.name === 'numeric' ? decimalType(modifier) : PLAIN[of.name]?.type;
    return inside === undefined || inside === null ? null : { type: `${inside}[]`, sql: AS_LIST };
  }
  return PLAIN[name] ?? null;
}

/** Of `numeric(p, s)`; null: without digits, or with more than DuckDB has. */
function decimalType(modifier: number): string | null {
  if (modifier < 4) return null;
  const digits = ((modifier - 4) >> 16) & 0xffff;
  // Eleven bits with a sign: numeric(3, -2) and numeric(2, 5) are allowed there.
  const scale = (((modifier - 4) & 0x7ff) ^ 0x400) - 0x400;
  return digits <= MAX_DIGITS && scale >= 0 && scale <= digits ? `DECIMAL(${digits},${scale})` : null;
}
