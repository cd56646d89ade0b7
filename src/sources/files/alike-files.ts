import { isDirect, type LookedAtText, SAMPLE_BYTES } from './look-at-text.ts';
import type { TextInput } from './text-format.ts';
import type { TextTable } from './text-table.ts';

/** Neighbours among the files of an input that become one Parquet file. */
export interface AlikeFiles {
  readonly files: readonly [LookedAtText, ...LookedAtText[]];
  /** DuckDB may read them itself. */
  readonly direct: boolean;
}

/** So that files are still worked on in parallel, and a statement does not become too long. */
const GROUP_BYTES = 32 * 2 ** 20;
const GROUP_FILES = 500;

/**
 * Puts small neighbours together that can be read with one statement: their Parquet files would cost more than their
 * records. A large file, and one that has been parsed already, stays alone. The order stays.
 */
export function alikeFiles(
  files: readonly LookedAtText[],
  table: TextTable,
  text: TextInput,
): readonly AlikeFiles[] {
  const groups: { files: [LookedAtText, ...LookedAtText[]]; direct: boolean; bytes: number; form: string }[] =
    [];
  for (const file of files) {
    const { sizeBytes, compression } = file.read;
    const direct = compression === 'none' && isDirect(file.scanned, table, text);
    const form = direct ? directForm(file, text) : copyForm(file, text);
    const last = groups.at(-1);
    if (
      last?.form === form &&
      last.files.length < GROUP_FILES &&
      last.bytes + sizeBytes <= GROUP_BYTES &&
      isSmall(file) &&
      isSmall(last.files[0])
    ) {
      last.files.push(file);
      last.bytes += sizeBytes;
    } else groups.push({ files: [file], direct, bytes: sizeBytes, form });
  }
  return groups;
}

function isSmall({ read, parsed }: LookedAtText): boolean {
  return read.sizeBytes < SAMPLE_BYTES && parsed === null;
}

/** What must be the same for DuckDB to read files with one statement. */
function directForm({ scanned }: LookedAtText, text: TextInput): string {
  return `direct ${JSON.stringify(scanned.lineEnd)} ${columnOrder(scanned.columns, text)}`;
}

/** Only files with malformed records get columns for them. */
function copyForm({ scanned }: LookedAtText, text: TextInput): string {
  return `copy ${scanned.malformed > 0} ${columnOrder(scanned.columns, text)}`;
}

function columnOrder(columns: readonly { readonly name: string }[], { format }: TextInput): string {
  return format.kind === 'csv' ? JSON.stringify(columns.map(({ name }) => name)) : '';
}
