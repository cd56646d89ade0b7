import type { RejectCause, RejectGroups } from '../data/reject-groups.ts';
import { formatCount, formatOrdinal } from './format.ts';
import { oneLine } from './visible-text.ts';

/**
 * Some rows of a cause: `rows 1002, 1005 ...` by their keys, else by their places. Rows of a file are counted from 0, as
 * `source_row` has them, so that people are told both: `row 3 (the 4th) of customers.csv`.
 */
export function sampleRows({ samples, rows }: RejectCause, key: RejectGroups['key']): string {
  const places = samples.map((sample) => (key === null ? placeOf(sample) : lineOf(sample)));
  const more = rows > samples.length ? ' ...' : '';
  const texts = samples.map((sample, at) => oneLine(places[at] ?? sample)).join(', ');
  if (places.every((place) => place !== null)) return `${texts}${more}`;
  return `${rows === 1 ? 'row' : 'rows'} ${texts}${more}`;
}

function lineOf(sample: string): string | null {
  return /^line \d+ of ./.test(sample) ? sample : null;
}

function placeOf(sample: string): string | null {
  const [, file, row] = /^(.+):(\d+)$/.exec(sample) ?? [];
  if (file === undefined) return lineOf(sample);
  return `row ${formatCount(Number(row))} (the ${formatOrdinal(Number(row) + 1)}) of ${file}`;
}
