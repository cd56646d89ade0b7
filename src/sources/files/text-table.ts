import { Failure } from '../../core/errors.ts';
import { decidingClass } from '../../core/field-class.ts';
import { failureOfFiles } from '../../core/many-files.ts';
import { type ColumnFacts, commonType } from '../../data/text/column-facts.ts';
import { partitionColumns } from './partition-columns.ts';

/** The table that all text files of an input make together. */
export interface TextTable {
  /** Those of the files in the first file's order, then those of their partition folders. */
  readonly columns: readonly TextColumn[];
}

export interface TextColumn {
  readonly name: string;
  readonly type: string;
  /** From the names of folders: no file has it. */
  readonly isPartition: boolean;
  /** Why it is text, where one value among others made it so. */
  readonly typeReason?: string;
}

export interface FileColumns {
  readonly path: string;
  readonly columns: readonly ColumnFacts[];
}

/**
 * Columns and types of text files: declared (by name in lower case), or the narrowest type that holds the values of all rows
 * of all files exactly (core/field-class.ts). CSV files must have the same columns, in any order; a column of JSON Lines may be
 * missing from any file.
 *
 * Fails with SCHEMA_MISMATCH, COLUMN_MISSING (declared, but nowhere), SOURCE_CORRUPT (no columns at all).
 */
export function tableOf(
  files: readonly FileColumns[],
  kind: 'csv' | 'jsonl',
  declared: ReadonlyMap<string, string>,
): TextTable {
  const withColumns = files.filter(({ columns }) => columns.length > 0);
  const facts = new Map<string, { readonly path: string; readonly column: ColumnFacts }[]>();
  for (const { path, columns } of withColumns) {
    for (const column of columns) {
      const seen = facts.get(column.name);
      if (seen === undefined) facts.set(column.name, [{ path, column }]);
      else seen.push({ path, column });
    }
  }
  if (kind === 'csv') requireSameColumns(withColumns);
  else requireDistinct(facts);
  const taken = new Set([...facts.keys()].map((name) => name.toLowerCase()));
  const partitions = partitionColumns(
    files.map(({ path }) => path),
    taken,
    declared,
  ).columns;
  const columns: TextColumn[] = [...facts].map(([name, places]) => {
    const type = declared.get(name.toLowerCase());
    if (type !== undefined) return { name, type, isPartition: false };
    const reason = reasonOf(places);
    return {
      name,
      type: commonType(places.map(({ column }) => column)),
      isPartition: false,
      ...(reason === null ? {} : { typeReason: reason }),
    };
  });
  const names = new Set([...taken, ...partitions.map(({ name }) => name.toLowerCase())]);
  for (const [name, type] of declared) {
    if (names.has(name)) continue;
    if (kind === 'jsonl') columns.push({ name, type, isPartition: false });
    else throw notDeclared(name, [...facts.keys()]);
  }
  if (columns.length === 0) {
    throw new Failure('SOURCE_CORRUPT', `The input has no record, and so no columns: ${files[0]?.path}.`, {
      place: files[0] === undefined ? {} : { file: files[0].path },
      next: 'Check input.path; with input.types the columns can be declared.',
    });
  }
  return { columns: [...columns, ...partitions.map((column) => ({ ...column, isPartition: true }))] };
}

export function sameTable(one: TextTable, other: TextTable): boolean {
  return (
    one.columns.length === other.columns.length &&
    one.columns.every(({ name, type }, index) => {
      const twin = other.columns[index];
      return twin?.name === name && twin.type === type;
    })
  );
}

function requireSameColumns(files: readonly FileColumns[]): void {
  const [first] = files;
  if (first === undefined) return;
  const names = new Set(first.columns.map(({ name }) => name));
  const different: Failure[] = [];
  for (const { path, columns } of files) {
    const own = new Set(columns.map(({ name }) => name));
    const missing = [...names].find((name) => !own.has(name));
    const extra = [...own].find((name) => !names.has(name));
    const field = missing ?? extra;
    if (field === undefined) continue;
    const [has, lacks] = missing === undefined ? [path, first.path] : [first.path, path];
    const sentence = `${has} has a column ${JSON.stringify(field)}, ${lacks} has not.`;
    different.push(new Failure('SCHEMA_MISMATCH', sentence, { place: { file: path, field } }));
  }
  const [one, ...others] = different;
  if (one !== undefined) throw failureOfFiles([one, ...others]);
}

/** Keys of several files that differ in letter case only would be one column to DuckDB. */
function requireDistinct(facts: ReadonlyMap<string, readonly { readonly path: string }[]>): void {
  const folded = new Map<string, string>();
  for (const [name, [place]] of facts) {
    const other = folded.get(name.toLowerCase());
    if (other !== undefined) {
      throw new Failure(
        'COLUMN_AMBIGUOUS',
        `The key ${name} of ${place?.path} differs from the key ${other} of ${facts.get(other)?.[0]?.path} in letter case only.`,
        { place: { field: name } },
      );
    }
    folded.set(name.toLowerCase(), name);
  }
}

function notDeclared(name: string, names: readonly string[]): Failure {
  const shown = names.length > 30 ? [...names.slice(0, 30), '...'] : names;
  return new Failure(
    'COLUMN_MISSING',
    `input.types declares ${name}, which no file has; the columns are ${shown.join(', ')}.`,
    { place: { field: 'input.types' } },
  );
}

/** Which value made a column text, or why nothing narrower was found. */
function reasonOf(places: readonly { readonly path: string; readonly column: ColumnFacts }[]): string | null {
  const classes = places.reduce((union, { column }) => union | column.classes, 0);
  const blamed = decidingClass(classes);
  if (blamed === null) return null;
  for (const { path, column } of places) {
    const first = column.firstSeen.find((seen) => (seen.class & blamed) !== 0);
    if (first !== undefined) return `${JSON.stringify(first.text)} in line ${first.line} of ${path}`;
  }
  return null;
}
