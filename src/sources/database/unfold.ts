import { Failure } from '../../core/errors.ts';
import { findColumn } from '../../core/find-column.ts';
import { type ConvertedColumn, VALUE } from '../../data/convert-rows.ts';
import { quoteText } from '../../data/duckdb.ts';

const NUMBER = /^(U?(TINYINT|SMALLINT|INTEGER|BIGINT)|FLOAT|DOUBLE|DECIMAL\(\d+,\d+\)|BOOLEAN)$/;

/**
 * Behind each column that is to be unfolded, a column for each of its elements: of the elements' type for a list, DOUBLE for a
 * text, which has to be a JSON list of numbers. Null stays null in all of them; a list of another length is a malformed record.
 *
 * Fails with COLUMN_MISSING, COLUMN_AMBIGUOUS, COLUMN_TYPE.
 */
export function unfoldedColumns(
  columns: readonly ConvertedColumn[],
  unfold: Readonly<Record<string, readonly string[]>>,
  connection: string,
): ConvertedColumn[] {
  const plain = columns.map(({ name, type }) => ({ name, type, neverNull: false }));
  const wanted = new Map(
    Object.entries(unfold).map(([name, names]) => [findColumn(name, plain, 'input.unfold').name, names]),
  );
  const result = columns.flatMap((column): ConvertedColumn[] => {
    const names = wanted.get(column.name);
    return names === undefined ? [column] : [column, ...elementsOf(column, names)];
  });
  const seen = new Set<string>();
  for (const { name } of result) {
    if (seen.has(name.toLowerCase()))
      throw new Failure(
        'COLUMN_AMBIGUOUS',
        `input.unfold makes a column ${name}, which connection ${connection} gives already.`,
        {
          place: { field: 'input.unfold' },
        },
      );
    seen.add(name.toLowerCase());
  }
  return result;
}

function elementsOf(column: ConvertedColumn, names: readonly string[]): ConvertedColumn[] {
  const { name, type, sql = VALUE } = column;
  const element = /^(.*)\[\]$/s.exec(type)?.[1] ?? null;
  if (type !== 'VARCHAR' && (element === null || !NUMBER.test(element))) {
    throw new Failure(
      'COLUMN_TYPE',
      `Column "${name}" (${type}) cannot be unfolded: it is neither a text nor a list of numbers.`,
      {
        place: { field: 'input.unfold' },
      },
    );
  }
  // Numbers alone: what is quoted, true or nested in the list is none.
  const parsed = `TRY_CAST(${sql} AS JSON)`;
  const list = element === null ? `TRY_CAST(${parsed} AS DOUBLE[])` : sql;
  const isList =
    element === null
      ? `coalesce(json_type(${parsed}), '') = 'ARRAY' AND ${list} IS NOT NULL
         AND NOT list_contains(list_transform(json_extract(${parsed}, '$[*]'), lambda e: json_type(e) IN ('VARCHAR', 'BOOLEAN', 'ARRAY', 'OBJECT')), true)`
      : 'true';
  const inName = quoteText(` in ${name}`);
  const problem = `CASE WHEN (${sql}) IS NULL THEN NULL
    WHEN NOT (${isList}) THEN ${quoteText(`has no list of numbers in ${name}`)}
    WHEN len(${list}) <> ${names.length} THEN 'has ' || len(${list}) || ' numbers' || ${inName} || ${quoteText(`, and not ${names.length}`)} END`;
  return names.map((unfolded, at) => ({
    name: unfolded,
    type: element ?? 'DOUBLE',
    from: column.from,
    sql: `(${list})[${at + 1}]`,
    problem,
  }));
}
