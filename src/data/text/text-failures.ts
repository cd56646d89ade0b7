import { Failure } from '../../core/errors.ts';

/** DuckDB's names for the place of a row, and ours for malformed records (core/malformed-columns.ts). */
const RESERVED = /^(_batchwright_.*|file_row_number|file_index)$/i;

/** Fails with COLUMN_AMBIGUOUS for names that are empty, reserved, or the same but for letter case. */
export function refuseNames(file: string, line: number, names: readonly string[]): void {
  const seen = new Map<string, number>();
  for (const [index, name] of names.entries()) {
    const refuse = (what: string, next: string) =>
      new Failure('COLUMN_AMBIGUOUS', `${file}, line ${line}: ${what}.`, {
        place: { file, line, field: name },
        next,
      });
    if (name === '') {
      throw refuse(
        `column ${index + 1} has no name`,
        'Give it a name; pandas writes an index without one unless told index=False.',
      );
    }
    if (RESERVED.test(name))
      throw refuse(`the name ${name} is taken for the place of a row`, 'Rename the column.');
    const before = seen.get(name.toLowerCase());
    if (before !== undefined) {
      throw refuse(
        `columns ${before + 1} and ${index + 1} have the same name, ${name} (letter case does not count)`,
        'Name the columns apart.',
      );
    }
    seen.set(name.toLowerCase(), index);
  }
}

/** Of a file that cannot be read as what it is said to be. */
export function corrupt(
  file: string,
  line: number | undefined,
  what: string,
  options: { next?: string; cause?: unknown } = {},
): Failure {
  const where = line === undefined ? file : `${file}, line ${line}`;
  return new Failure('SOURCE_CORRUPT', `${where} ${what}.`, {
    place: line === undefined ? { file } : { file, line },
    ...options,
  });
}
