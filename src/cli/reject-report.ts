import { dirname } from 'node:path';
import { ERROR_CODES, isErrorCode } from '../core/error-codes.ts';
import type { RejectFile, RejectGroups } from '../data/reject-groups.ts';
import { counted, formatCount } from './format.ts';
import { sampleRows } from './sample-rows.ts';
import { paint } from './style.ts';
import { fitted } from './text-width.ts';
import { oneLine } from './visible-text.ts';

/** Why the rows of a job were rejected, which, and what to do about each cause. `width`: see `Output`. */
export function rejectReport(
  jobId: string,
  { groups, key, countedRows, comparedRows }: RejectGroups,
  files: readonly RejectFile[],
  width: number | null,
): string[] {
  const all = files.reduce((sum, { rows }) => sum + rows, 0);
  const of = countedRows < all ? ` (codes counted in the first ${formatCount(countedRows)})` : '';
  const lines = ['', paint('strong', `${counted(all, 'rejected row')}${of}`)];
  const cut = (line: string) => (width === null ? line : fitted(line, width));
  for (const { code, rows, causes } of groups) {
    lines.push('', `  ${paint('warn', code)}  ${counted(rows, 'row')}`);
    for (const cause of causes) {
      lines.push(cut(`    ${formatCount(cause.rows)} x  ${oneLine(cause.message)}`));
      lines.push(cut(`         ${sampleRows(cause, key)}`));
    }
    if (isErrorCode(code)) lines.push(`    What to do: ${ERROR_CODES[code].next}`);
  }
  if (comparedRows < countedRows)
    lines.push('', `  Messages compared in the first ${counted(comparedRows, 'reject')}.`);
  const [first] = files;
  lines.push('');
  if (first !== undefined) lines.push(`  They lie in ${oneLine(dirname(first.path))}`);
  lines.push(`  Export them for repair: batchwright rejects ${jobId} --to rejects.csv`);
  return lines;
}
