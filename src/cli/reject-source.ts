import { MALFORMED_COLUMNS } from '../core/malformed-columns.ts';
import { addedName, exportedPlace, rejectColumns, rejectTypes } from '../data/reject-columns.ts';
import type { TableSource } from '../data/table-reader.ts';
import type { JobRejects } from './job-files.ts';

/** What is put before the columns of the input; with `_` behind it where an input has a column of that name. */
export const ADDED = ['reject_code', 'reject_message'] as const;

/** The rejects of a job, as they are exported for repair. */
export function rejectSource({ files, inputColumns: typed, key }: JobRejects): TableSource {
  const inputColumns = typed.map(({ name }) => name);
  const [code, message] = addedNames(inputColumns);
  const place = key === null ? ['source_file', 'source_row'] : [];
  const originals = rejectColumns(inputColumns, key ?? undefined);
  const taken = new Set(inputColumns.map((name) => name.toLowerCase()));
  const { file, line } = exportedPlace(inputColumns);
  // A malformed record has no key: a repair is told by the place that it was read from.
  const malformed =
    key === null
      ? []
      : [
          { stored: MALFORMED_COLUMNS.file, name: file, isOptional: true },
          { stored: MALFORMED_COLUMNS.line, name: line, isOptional: true },
        ];
  return {
    paths: files.map(({ path }) => path),
    columns: [
      { stored: 'code', name: code },
      { stored: 'message', name: message },
      ...place.filter((name) => !taken.has(name)).map((name) => ({ stored: name, name })),
      ...originals.map(({ original, stored }) => ({ stored, name: original })),
      ...malformed,
    ],
    stored: rejectTypes(typed, key ?? undefined),
  };
}

/** The name of the column that holds the codes. */
export function codeColumn(all: readonly (JobRejects | null)[]): string {
  const [first] = all.flatMap((each) =>
    each === null ? [] : [addedNames(each.inputColumns.map(({ name }) => name))[0]],
  );
  return first ?? ADDED[0];
}

function addedNames(inputColumns: readonly string[]): [code: string, message: string] {
  return [addedName(ADDED[0], inputColumns), addedName(ADDED[1], inputColumns)];
}
