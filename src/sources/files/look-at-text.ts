import { Failure } from '../../core/errors.ts';
import { isOfType } from '../../core/field-class.ts';
import { type ReadTextFile, readTextFile, readTextSample } from '../../data/text/read-text-file.ts';
import type { ScannedText } from '../../data/text/text-scanner.ts';
import type { TextInput } from './text-format.ts';
import { type TextTable, tableOf } from './text-table.ts';
import { parseOriginals, type TextInParquet } from './text-to-parquet.ts';

/** What of a file is looked at to guess its types, so that DuckDB can start at once; smaller files are scanned first. */
export const SAMPLE_BYTES = 2 ** 20;

/** A text file that our scanner has been through. */
export interface LookedAtText {
  readonly path: string;
  /** Among the files of the input. */
  readonly index: number;
  readonly read: ReadTextFile;
  readonly scanned: ScannedText;
  /** Made while the file was being scanned, with a guessed table. */
  readonly parsed: TextInParquet | null;
}

/** Scans a file; if it is large and looks regular, DuckDB parses it meanwhile. */
export async function lookAtText(path: string, index: number, text: TextInput): Promise<LookedAtText> {
  const { input, format, declared, context } = text;
  const guessed = await guess(path, index, text);
  const stop = new AbortController();
  // Its outcome counts only if the scan finds nothing against it; what failed is tried again, and then it does.
  const parsing =
    guessed === null
      ? Promise.resolve(null)
      : parseOriginals(
          [{ path, index, scanned: guessed.scanned }],
          guessed.table,
          text,
          AbortSignal.any([context.signal, stop.signal]),
        ).catch(() => null);
  try {
    const scanner = format.scanner(path, input, declared, null);
    const read = await readTextFile(
      path,
      (chunk, final) => {
        scanner.push(chunk, final);
        if (guessed !== null && !isDirect(scanner.scanned(), guessed.table, text)) stop.abort();
      },
      context.signal,
    );
    const scanned = scanner.scanned();
    text.known[index] = scanned.columns;
    return { path, index, read, scanned, parsed: await parsing };
  } catch (error) {
    stop.abort();
    await (await parsing)?.staged.discard();
    throw error;
  }
}

/** Whether DuckDB may read the original itself, with the types of this table. */
export function isDirect(scanned: ScannedText, table: TextTable, { format, declared }: TextInput): boolean {
  if (scanned.malformed > 0 || !scanned.isRegular) return false;
  if (scanned.hasLineEndsInFields && scanned.lineEnd !== '\n') return false;
  const types = new Map(table.columns.map(({ name, type }) => [name, type]));
  return scanned.columns.every((column) => {
    const type = types.get(column.name);
    if (type === undefined) return false;
    if (format.kind === 'jsonl') return isOfType(column.classes, type);
    if (column.empties > 0 && type !== 'VARCHAR') return false;
    // What is declared was compared value by value.
    return type === 'VARCHAR' || declared.has(column.name.toLowerCase()) || isOfType(column.classes, type);
  });
}

/** The table that a large file's beginning, and what is known of the others, lets expect. Null: better wait for the scan. */
async function guess(
  path: string,
  index: number,
  text: TextInput,
): Promise<{ readonly table: TextTable; readonly scanned: ScannedText } | null> {
  const { input, format, declared, paths } = text;
  const sample = await readTextSample(path, SAMPLE_BYTES);
  if (sample === null) return null;
  const scanner = format.scanner(path, input, declared, null);
  try {
    scanner.push(sample, false);
  } catch (error) {
    if (error instanceof Failure) return null;
    throw error;
  }
  const scanned = scanner.scanned();
  text.known[index] = scanned.columns;
  if (scanned.records === 0) return null;
  const known = paths.flatMap((each, at) => {
    const columns = text.known[at];
    return columns === undefined ? [] : [{ path: each, columns }];
  });
  try {
    const table = tableOf(known, format.kind, declared);
    return isDirect(scanned, table, text) ? { table, scanned } : null;
  } catch (error) {
    // Said again, with all files known, if it is still so then.
    if (error instanceof Failure) return null;
    throw error;
  }
}
