import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { CSV_ALPHABET, CSV_SEEDS } from '../corpus/csv-seeds.ts';
import { mutate, seeded } from './mutate.ts';

/** By Python's csv module: where each record begins, and its fields; null where it refuses. */
export type PythonRecords = readonly (readonly [line: number, fields: readonly string[] | null])[];

/** What one of our readers makes of a file. */
export type OurRecords =
  | { readonly refused: { readonly line: boolean; readonly message: string } }
  | {
      readonly names: readonly string[];
      /** Well-formed ones, in order. */
      readonly records: readonly (readonly (string | null)[])[];
      /** Lines of malformed ones. */
      readonly lines: readonly number[];
      /** Of both, as they lie in the file. */
      readonly order: readonly ('record' | 'malformed')[];
    };

export function readByPython(python: string, files: readonly Buffer[]): PythonRecords[] {
  const output = execFileSync(python, ['-B', join(import.meta.dirname, '../corpus/read_csv.py')], {
    input: files.map((file) => `${JSON.stringify(file.toString('base64'))}\n`).join(''),
    maxBuffer: 2 ** 30,
  });
  return output
    .toString()
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as PythonRecords);
}

/**
 * Null if both readers agree: every record of ours is Python's, in its place, and what Python has beside them is malformed
 * to us, on the same line. Else what is wrong.
 */
export function disagreement(ours: OurRecords, python: PythonRecords): string | null {
  if ('refused' in ours) {
    return ours.refused.line || python.length === 0
      ? null
      : `refused without a line: ${ours.refused.message}`;
  }
  const { names, records, lines } = ours;
  const [header, ...rest] = python;
  if (JSON.stringify(header?.[1]) !== JSON.stringify(names)) return `other names: ${JSON.stringify(header)}`;
  // An empty line is a record in a file of one column only.
  const isSingle = names.length === 1;
  const theirs = rest.filter(([line]) => !lines.includes(line));
  let next = 0;
  for (const fields of records) {
    if (isSingle && fields[0] === '' && theirs[next]?.[1]?.[0] !== '') continue;
    const [line, expected] = theirs[next] ?? [0, null];
    if (JSON.stringify(expected) !== JSON.stringify(fields)) {
      return `record ${next} is ${JSON.stringify(fields)}, by Python ${JSON.stringify(expected)} (line ${line})`;
    }
    next += 1;
  }
  return next === theirs.length
    ? null
    : `Python has ${theirs.length} records beside malformed ones, we have ${next}`;
}

/** The seeds and `count` mutations of them, the same for the same `seed`. */
export function mutants(count: number, seed: number): Buffer[] {
  const random = seeded(seed);
  const seeds = CSV_SEEDS.map((text) => Buffer.from(text));
  const changed = Array.from({ length: count }, (_, at) =>
    mutate(seeds[at % seeds.length] as Buffer, CSV_ALPHABET, random),
  );
  return [...seeds, ...changed];
}
