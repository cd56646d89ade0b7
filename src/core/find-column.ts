import { Failure } from './errors.ts';
import { nearest } from './nearest.ts';
import type { SourceColumn } from './snapshot.ts';

/** The column of exactly that name; else all whose names differ from it in letter case only. */
export function matchingColumns(name: string, columns: readonly SourceColumn[]): readonly SourceColumn[] {
  const exact = columns.find((column) => column.name === name);
  if (exact !== undefined) return [exact];
  const folded = name.toLowerCase();
  return columns.filter((column) => column.name.toLowerCase() === folded);
}

/** `field`: where the name was written, for messages. Fails with COLUMN_MISSING or COLUMN_AMBIGUOUS. */
export function findColumn(name: string, columns: readonly SourceColumn[], field: string): SourceColumn {
  const [column, second] = matchingColumns(name, columns);
  if (column !== undefined && second === undefined) return column;
  if (column !== undefined && second !== undefined) throw ambiguousColumn(name, [column, second]);
  const near = nearest(
    name,
    columns.map((other) => other.name),
  );
  throw new Failure(
    'COLUMN_MISSING',
    `There is no column '${name}' (${field}).${near === undefined ? '' : ` Did you mean '${near}'?`} The columns are: ${listed(columns.map((other) => other.name))}.`,
    { place: { field: name } },
  );
}

export function ambiguousColumn(name: string, columns: readonly SourceColumn[]): Failure {
  return new Failure(
    'COLUMN_AMBIGUOUS',
    `'${name}' could be ${columns.map((column) => `the column '${column.name}'`).join(' or ')}.`,
    { place: { field: name } },
  );
}

/** For messages: at most 30, as a table can have thousands of columns. */
export function listed(items: readonly string[]): string {
  return items.length <= 30
    ? items.join(', ')
    : `${items.slice(0, 30).join(', ')} and ${items.length - 30} more`;
}
