import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from '../core/errors.ts';
import { findColumn } from '../core/find-column.ts';
import { MANIFEST_FILE } from '../core/manifest.ts';
import { readEnvelope, readPayload } from '../lineage/dsse.ts';
import type { Statement } from '../lineage/statement.ts';
import { fsFailure, isAbsent } from '../storage/fs-failure.ts';

/** What one job published in a folder, as its manifest says; nothing is verified (`batchwright verify` does that). */
export interface PublishedResult {
  readonly jobId: string;
  readonly name: string;
  readonly files: readonly {
    readonly path: string;
    readonly kind: 'part' | 'rejects';
    readonly rows: number;
  }[];
  /** Columns of the result, with their types: CSV and JSON Lines do not say them. */
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  /** Columns of the input, with their types. */
  readonly inputColumns: readonly { readonly name: string; readonly type: string }[];
  /** The key column, as the input spells it; null: file and row number are the key. */
  readonly key: string | null;
}

/** The results in a folder: one, or one for each job that appended. Fails with VERIFY_NOT_A_RESULT, VERIFY_MANIFEST. */
export function publishedResults(folder: string): PublishedResult[] {
  const results = [folder, ...subfolders(folder)].flatMap((each) => resultIn(each) ?? []);
  if (results.length > 0) return results;
  throw new Failure('VERIFY_NOT_A_RESULT', `${folder} holds no ${MANIFEST_FILE}.`, {
    place: { file: folder },
  });
}

function resultIn(folder: string): PublishedResult | null {
  const file = join(folder, MANIFEST_FILE);
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    if (isAbsent(error)) return null;
    throw fsFailure(error, 'Reading the manifest', file, 'SOURCE_UNREADABLE');
  }
  const { predicate } = readPayload(readEnvelope(bytes, file), file) as Statement;
  const { job, snapshot, specification, files, columns } = predicate;
  const { key } = specification.input;
  return {
    jobId: job.id,
    name: job.name,
    files: files.map(({ path, kind, rows }) => ({ path: join(folder, path), kind, rows })),
    columns,
    inputColumns: snapshot.columns,
    key: key === undefined ? null : findColumn(key, snapshot.columns, 'input.key').name,
  };
}

function subfolders(folder: string): string[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && !entry.name.startsWith('_') && !entry.name.startsWith('.'))
      .map((entry) => join(folder, entry.name))
      .sort();
  } catch (error) {
    if (isAbsent(error)) return [];
    throw fsFailure(error, 'Listing the result', folder, 'SOURCE_UNREADABLE');
  }
}
