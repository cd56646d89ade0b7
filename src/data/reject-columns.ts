import { MALFORMED_COLUMNS } from '../core/malformed-columns.ts';

/**
 * How a file of rejects names its columns: key (or `source_file`, `source_row`), `code`, `message`, `attempt`, then all
 * columns of the input. A column of the input whose name is taken gets `_input` until it is free.
 */
export interface RejectColumn {
  /** In the input. */
  readonly original: string;
  /** In the file of rejects. */
  readonly stored: string;
}

/** The columns of the input in a file of rejects, in the input's order, the key among them. */
export function rejectColumns(columns: readonly string[], key: string | undefined): RejectColumn[] {
  const taken = new Set([
    'code',
    'message',
    'attempt',
    ...(key === undefined ? ['source_file', 'source_row'] : [key.toLowerCase()]),
  ]);
  const others = new Set(columns.filter((name) => name !== key).map((name) => name.toLowerCase()));
  return columns.map((original) => ({
    original,
    stored: original === key ? original : freeName(original, taken, others),
  }));
}

/** Types of all columns that a file of rejects may have, by the names they have there; text files do not say them. */
export function rejectTypes(
  columns: readonly { readonly name: string; readonly type: string }[],
  key: string | undefined,
): ReadonlyMap<string, string> {
  const stored = rejectColumns(
    columns.map(({ name }) => name),
    key,
  );
  return new Map([
    ['code', 'VARCHAR'],
    ['message', 'VARCHAR'],
    ['attempt', 'UINTEGER'],
    ...(key === undefined ? PLACE_TYPES : []),
    [MALFORMED_COLUMNS.line, 'BIGINT'],
    [MALFORMED_COLUMNS.file, 'VARCHAR'],
    ...columns.map(({ type }, at): [string, string] => [stored[at]?.stored ?? '', type]),
  ]);
}

const PLACE_TYPES: readonly [string, string][] = [
  ['source_file', 'VARCHAR'],
  ['source_row', 'BIGINT'],
];

/**
 * What an export of rejects calls file and line of a malformed record, which has no key: with `_` behind it where the
 * input has a column of that name.
 */
export function exportedPlace(inputColumns: readonly string[]): {
  readonly file: string;
  readonly line: string;
} {
  return { file: addedName('source_file', inputColumns), line: addedName('source_line', inputColumns) };
}

/** A name for a column beside those of the input. */
export function addedName(name: string, inputColumns: readonly string[]): string {
  const taken = new Set(inputColumns.map((each) => each.toLowerCase()));
  let free = name;
  while (taken.has(free.toLowerCase())) free += '_';
  return free;
}

function freeName(name: string, taken: ReadonlySet<string>, others: ReadonlySet<string>): string {
  let free = name;
  while (taken.has(free.toLowerCase()) || (free !== name && others.has(free.toLowerCase()))) free += '_input';
  return free;
}
