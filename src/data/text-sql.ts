import { quoteName, quoteText } from './duckdb.ts';
import type { TableColumn } from './engine.ts';
import { nestedType } from './nested-type.ts';

/**
 * How values are spelled in CSV and JSON Lines (docs/outputs.md), as SQL over the columns of a part. Every spelling is
 * read back to the same value by a reader that knows the column's type.
 */

/** A column's value as DuckDB's CSV writer is to get it. Null becomes an empty field, empty text a pair of quotes. */
export function csvField({ name, type }: TableColumn, escapeFormulas: boolean): string {
  const value = quoteName(name);
  if (isText(type)) return escapeFormulas ? withoutFormula(`${value}::VARCHAR`) : `${value}::VARCHAR`;
  return spelling(type, value) ?? value;
}

/** The head of a column, as the first line has it. */
export function csvHead({ name }: TableColumn, escapeFormulas: boolean): string {
  return escapeFormulas && FORMULA.test(name) ? `'${name}` : name;
}

/** One line of JSON Lines: an object with every column, nulls included. */
export function jsonLine(columns: readonly TableColumn[]): string {
  return jsonObject(columns.map(({ name, type }) => ({ name, json: json(type, quoteName(name), 0) })));
}

/** The type that a column is compared in after it was read back: JSON is compared as the text that it is. */
export function comparedType(type: string): string {
  const nested = nestedType(type);
  switch (nested.kind) {
    case 'list':
      return `${comparedType(nested.of)}[]`;
    case 'map':
      return `MAP(${comparedType(nested.key)}, ${comparedType(nested.value)})`;
    case 'struct':
      return `STRUCT(${nested.members.map((each) => `${quoteName(each.name)} ${comparedType(each.type)}`).join(', ')})`;
    case 'plain':
      return type === 'JSON' ? 'VARCHAR' : type;
  }
}

export function isText(type: string): boolean {
  return type === 'VARCHAR' || type === 'JSON';
}

/** What spreadsheets take for the beginning of a formula (OWASP, "CSV Injection"). Numbers are no texts and stay. */
const FORMULA = /^[=+\-@\t\r\n]/;

function withoutFormula(value: string): string {
  return `CASE WHEN left(${value}, 1) IN ('=', '+', '-', '@', chr(9), chr(13), chr(10)) THEN '''' || ${value} ELSE ${value} END`;
}

/** ISO 8601 for the years 1 to 9999; other times, and infinite ones, as DuckDB writes them. Null: the type's own text will do. */
function spelling(type: string, value: string): string | null {
  const inRange = (from: string) => `${value} >= ${from} '0001-01-01' AND ${value} < ${from} '10000-01-01'`;
  switch (type) {
    case 'TIMESTAMP':
      return `CASE WHEN ${inRange('TIMESTAMP')} THEN strftime(${value}, '%Y-%m-%dT%H:%M:%S.%f') ELSE ${value}::VARCHAR END`;
    case 'TIMESTAMP WITH TIME ZONE':
      return `CASE WHEN ${inRange('TIMESTAMPTZ')} THEN strftime(${value} AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ') ELSE ${value}::VARCHAR END`;
    case 'TIMESTAMP_NS':
      return `strftime(${value}, '%Y-%m-%dT%H:%M:%S.%n')`;
    default:
      return null;
  }
}

/** A value as JSON text, never null. `depth` keeps the names of nested lambdas apart. */
function json(type: string, value: string, depth: number): string {
  return `CASE WHEN ${value} IS NULL THEN 'null' ELSE ${presentJson(type, value, depth)} END`;
}

function presentJson(type: string, value: string, depth: number): string {
  const nested = nestedType(type);
  const item = `item${depth}`;
  switch (nested.kind) {
    case 'list':
      return `'[' || array_to_string(list_transform(${value}, lambda ${item}: ${json(nested.of, item, depth + 1)}), ',') || ']'`;
    case 'map': {
      const entry = `to_json(${item}.key)::VARCHAR || ':' || ${json(nested.value, `${item}.value`, depth + 1)}`;
      return `'{' || array_to_string(list_transform(map_entries(${value}), lambda ${item}: ${entry}), ',') || '}'`;
    }
    case 'struct':
      return jsonObject(
        nested.members.map((member) => ({
          name: member.name,
          json: json(member.type, `${value}.${quoteName(member.name)}`, depth),
        })),
      );
    case 'plain':
      return plainJson(type, value);
  }
}

const WHOLE_OR_TRUTH = /^(U?(TINYINT|SMALLINT|INTEGER|BIGINT)|BOOLEAN)$/;

/**
 * Up to 15 digits survive a reader that makes doubles of all numbers, as most do (DuckDB, too, on its way to DECIMAL); wider
 * ones are text. So are those of which no digit stands before the point, which DuckDB spells `.5`.
 */
function isNumber(type: string): boolean {
  const [, width, scale] = /^DECIMAL\((\d+),(\d+)\)$/.exec(type) ?? [];
  if (width !== undefined) return Number(width) <= 15 && Number(scale) < Number(width);
  return WHOLE_OR_TRUTH.test(type);
}

/** What JSON has no number for stands in quotes, as in the JSON mapping of Protocol Buffers: "NaN", "Infinity", "-Infinity". */
function plainJson(type: string, value: string): string {
  if (isText(type)) return `to_json(${value}::VARCHAR)::VARCHAR`;
  if (isNumber(type)) return `${value}::VARCHAR`;
  if (type === 'FLOAT' || type === 'DOUBLE') {
    return `CASE WHEN isfinite(${value}) THEN ${value}::VARCHAR WHEN isnan(${value}) THEN '"NaN"' WHEN ${value} > 0 THEN '"Infinity"' ELSE '"-Infinity"' END`;
  }
  return `'"' || ${spelling(type, value) ?? `${value}::VARCHAR`} || '"'`;
}

function jsonObject(members: readonly { readonly name: string; readonly json: string }[]): string {
  if (members.length === 0) return `'{}'`;
  const parts = members.map(
    ({ name, json: text }, index) =>
      `${quoteText(`${index === 0 ? '{' : ','}${JSON.stringify(name)}:`)}, ${text}`,
  );
  return `concat(${parts.join(', ')}, '}')`;
}
