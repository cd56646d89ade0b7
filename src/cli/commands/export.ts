import { readFileSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { asFailure, type FailureReport } from '../../core/errors.ts';
import { type LineFormat, openTable, type TableReader, type TableRequest } from '../../data/table-reader.ts';
import { endWithParent } from '../end-with-parent.ts';

/** What an exporting process is asked: the rows, and the file to make of them. */
export interface ExportRequest {
  readonly sources: TableRequest['sources'];
  readonly format: 'parquet' | LineFormat;
  /** Absolute; it appears whole, or not at all. */
  readonly to: string;
}

/** Types by name are a Map, of which JSON alone would keep nothing. */
export function exportRequestText(request: ExportRequest): string {
  return JSON.stringify(request, (_key, value) => (value instanceof Map ? { entries: [...value] } : value));
}

function readExportRequest(text: string): ExportRequest {
  const { sources, ...request } = JSON.parse(text);
  const typed = sources.map(({ stored, ...source }: { stored: { entries?: [string, string][] } }) => ({
    ...source,
    stored: Array.isArray(stored) ? stored : new Map(stored.entries),
  }));
  return { ...request, sources: typed };
}

export type ExportMessage =
  | { readonly type: 'done' }
  | { readonly type: 'refused'; readonly failure: FailureReport };

/** An exporting process: makes one file of the rows of a job, beside the server, which loads no engine for it. */
export async function exportCommand(requestFile: string): Promise<number> {
  endWithParent();
  const { sources, format, to } = readExportRequest(readFileSync(requestFile, 'utf8'));
  const partial = `${to}.${process.pid}.partial`;
  try {
    await using table = await openTable({
      sources,
      where: null,
      equal: null,
      limit: null,
      writes: format === 'parquet' ? partial : null,
    });
    if (format === 'parquet') await table.writeParquet();
    else await writeLines(table, format, partial);
    await rename(partial, to);
    await tell({ type: 'done' });
  } catch (error) {
    await rm(partial, { force: true });
    await tell({ type: 'refused', failure: asFailure(error, 'STORAGE_FAILED').toJSON() });
  } finally {
    process.disconnect?.();
  }
  return 0;
}

async function writeLines(table: TableReader, format: LineFormat, path: string): Promise<void> {
  await using file = await open(path, 'wx');
  for await (const { text } of table.lines(format)) await file.writeFile(text);
}

function tell(message: ExportMessage): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined) resolve();
    else process.send(message, () => resolve());
  });
}
