import { existsSync } from 'node:fs';
import { link, open, rm } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { Option } from 'commander';
import { Failure } from '../core/errors.ts';
import type { LineFormat, TableReader, TableRequest } from '../data/table-reader.ts';
import { fsFailure } from '../storage/fs-failure.ts';
import { counted } from './format.ts';
import type { Output } from './output.ts';
import { fileFormat, parseRowCount, parseRowFile } from './parse-options.ts';
import { formatTable, type TableColumn } from './table.ts';

/** How rows are shown or exported. */
export type RowFormat = 'table' | LineFormat;
const ROW_FORMATS: readonly RowFormat[] = ['table', 'csv', 'jsonl'];

export interface RowsWish {
  /** The file to write; undefined: standard output. Its ending says the format. */
  readonly to?: string;
  /** On standard output. */
  readonly format?: RowFormat;
  /** Rows at most; undefined: all for files, csv and jsonl, `TABLE_ROWS` for a table. */
  readonly limit?: number;
}

/** Rows of a table that are shown unless the user says how many. */
const TABLE_ROWS = 20;

/** The options of a command that shows rows; their values are a `RowsWish`. */
export function rowOptions(): Option[] {
  return [
    new Option('--limit <rows>', `at most so many (default: ${TABLE_ROWS} in a table, else all)`).argParser(
      parseRowCount,
    ),
    new Option('--format <format>', 'on the terminal').choices(ROW_FORMATS),
    new Option(
      '--to <file>',
      'write a file: .csv, .jsonl or .parquet; never over one that is there',
    ).argParser(parseRowFile),
  ];
}

/**
 * Shows rows as a table, prints them as lines, or writes them to a file: whole, or not at all, and never over a file
 * that is there, which may hold somebody's repairs. Fails with FILE_EXISTS, USAGE, COLUMN_MISSING.
 */
export async function exportRows(
  request: Pick<TableRequest, 'sources' | 'where' | 'equal'>,
  wish: RowsWish,
  output: Output,
): Promise<void> {
  if (wish.to !== undefined) return exportFile(request, wish.to, wish.limit ?? null, output);
  const format = output.json ? 'jsonl' : (wish.format ?? 'table');
  if (format === 'table') return showTable(request, wish.limit ?? TABLE_ROWS, output);
  await using table = await openRows({ ...request, limit: wish.limit ?? null, writes: null });
  await output.rows(table.lines(format));
}

async function showTable(
  request: Pick<TableRequest, 'sources' | 'where' | 'equal'>,
  limit: number,
  output: Output,
): Promise<void> {
  const { isNumber } = await import('../data/table-reader.ts');
  // One more than is shown, to know whether there are more.
  await using table = await openRows({ ...request, limit: limit + 1, writes: null });
  const rows = await table.texts();
  const columns = table.columns.map(
    ({ name, type }): TableColumn => ({
      header: name,
      least: Math.min(12, Math.max(4, name.length)),
      ...(isNumber(type) ? { align: 'right' } : {}),
    }),
  );
  const cells = rows
    .slice(0, limit)
    .map((row) => row.map((text) => text ?? ({ text: 'null', style: 'faint' } as const)));
  output.result(rows.length === 0 ? 'No rows.' : formatTable(columns, cells, output.width), {});
  if (rows.length > limit) {
    output.note(
      `The first ${counted(limit, 'row')}. --limit shows more; --format csv and --to give all of them.`,
    );
  }
}

async function exportFile(
  request: Pick<TableRequest, 'sources' | 'where' | 'equal'>,
  to: string,
  limit: number | null,
  output: Output,
): Promise<void> {
  const path = resolve(to);
  const format = fileFormat(to);
  if (existsSync(path)) throw exists(to);
  const partial = `${path}.${process.pid}.partial`;
  try {
    await using table = await openRows({
      ...request,
      limit,
      writes: format === 'parquet' ? partial : null,
    });
    const rows = format === 'parquet' ? await table.writeParquet() : await writeLines(table, format, partial);
    // Unlike a rename, a link does not replace what another program has put there meanwhile.
    await link(partial, path);
    output.result(`${counted(rows, 'row')} written to ${to}`, {
      event: 'exported',
      file: path,
      format,
      rows,
    });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw exists(to);
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      throw new Failure('USAGE', `The folder ${dirname(path)} does not exist.`, {
        place: { file: path },
        next: 'Make the folder, or choose another.',
        cause: error,
      });
    }
    throw fsFailure(error, 'Writing the rows', to, 'DESTINATION_UNWRITABLE');
  } finally {
    await rm(partial, { force: true });
  }
}

async function writeLines(table: TableReader, format: LineFormat, path: string): Promise<number> {
  await using file = await open(path, 'wx');
  let written = 0;
  for await (const { text, rows } of table.lines(format)) {
    await file.writeFile(text);
    written += rows;
  }
  await file.sync();
  return written;
}

async function openRows(request: TableRequest): Promise<TableReader> {
  const { openTable } = await import('../data/table-reader.ts');
  try {
    return await openTable(request);
  } catch (error) {
    // The condition is checked like `input.where` of a job; here it came from an option.
    if (!(error instanceof Failure) || !error.message.includes('input.where')) throw error;
    throw new Failure(error.code, error.message.replaceAll('input.where', '--where'), { cause: error });
  }
}

function exists(to: string): Failure {
  return new Failure('FILE_EXISTS', `${to} exists already.`, { place: { file: to } });
}
