import { extname } from 'node:path';
import { InvalidArgumentError } from 'commander';
import { nearest } from '../core/nearest.ts';

/** Parsers of option values that several commands have. */

/** Of an option that may be given several times. */
export function collect(value: string, before: string[] | undefined): string[] {
  return [...(before ?? []), value];
}

export function parseRowCount(text: string): number {
  const count = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(count) && count >= 1) return count;
  throw new InvalidArgumentError('It takes a whole number of at least 1.');
}

const ENDINGS = { '.csv': 'csv', '.jsonl': 'jsonl', '.ndjson': 'jsonl', '.parquet': 'parquet' } as const;

/** The name of a file that rows can be written to. */
export function parseRowFile(name: string): string {
  fileFormat(name);
  return name;
}

/** What the ending of a file's name says. */
export function fileFormat(name: string): (typeof ENDINGS)[keyof typeof ENDINGS] {
  const ending = extname(name).toLowerCase();
  const known = Object.entries(ENDINGS).find(([each]) => each === ending);
  if (known !== undefined) return known[1];
  const near = ending === '' ? undefined : nearest(ending, Object.keys(ENDINGS));
  throw new InvalidArgumentError(
    `${name} has to end in .csv, .jsonl or .parquet.${near === undefined ? '' : ` Did you mean ${near}?`}`,
  );
}
