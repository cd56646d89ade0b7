import { dirname } from 'node:path';
import { ERROR_CODES, isErrorCode } from '../core/error-codes.ts';
import type { RejectFile, RejectGroups } from '../data/reject-groups.ts';
import { formatCount } from './format.ts';
import { paint } from './style.ts';
import { fitted } from './text-width.ts';
import { oneLine } from './visible-text.ts';

/** Why the rows of a job were rejected, which, and what to do about each cause. `width`: see `Output`. */
export function rejectReport(
  jobId: string,
  { groups, countedRows, comparedRows }: RejectGroups,
  files: readonly RejectFile[],
  width: number | null,
): string[] {
  const all = files.reduce((sum, { rows }) => sum + rows, 0);
  const of = countedRows < all ? ` (codes counted in the first ${formatCount(countedRows)})` : '';
  const lines = ['', paint('strong', `${formatCount(all)} rejected ${all === 1 ? 'row' : 'rows'}${of}`)];
  const cut = (line: string) => (width === null ? line : fitted(line, width));
  for (const { code, rows, causes } of groups) {
    lines.push('', `  ${paint('warn', code)}  ${formatCount(rows)} ${rows === 1 ? 'row' : 'rows'}`);
    for (const { message, rows: count, samples } of causes) {
      lines.push(cut(`    ${formatCount(count)} x  ${oneLine(message)}`));
      lines.push(
        cut(`         rows ${samples.map(oneLine).join(', ')}${count > samples.length ? ' ...' : ''}`),
      );
    }
    if (isErrorCode(code)) lines.push(`    What to do: ${ERROR_CODES[code].next}`);
  }
  if (comparedRows < countedRows)
    lines.push('', `  Messages compared in the first ${formatCount(comparedRows)} rejects.`);
  const [first] = files;
  lines.push('');
  if (first !== undefined) lines.push(`  They lie in ${oneLine(dirname(first.path))}`);
  lines.push(`  Export them for repair: batchwright rejects ${jobId} --to rejects.csv`);
  return lines;
}
