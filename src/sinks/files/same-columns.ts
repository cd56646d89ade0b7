import { join } from 'node:path';
import { Failure } from '../../core/errors.ts';
import { MANIFEST_FILE } from '../../core/manifest.ts';
import type { JobSpec } from '../../spec/job-spec.ts';
import type { SinkColumn, SinkContext } from '../sink.ts';
import type { Destination } from './destination.ts';
import { folderContent } from './folder-content.ts';
import { formatOfFile } from './published-format.ts';
import { readPublishedManifest } from './published-manifest.ts';

/**
 * Fails with SCHEMA_MISMATCH unless the dataset at the destination, if there is one, has exactly these columns, in files of
 * this format. Parquet files say themselves what they hold. Text does not say types: those of our own stand in the
 * manifest; of CSV that others wrote only the head is compared, and of JSON Lines that others wrote nothing.
 */
export async function requireSameColumns(
  to: Destination,
  columns: readonly SinkColumn[],
  format: JobSpec['output']['destination'],
  context: SinkContext,
): Promise<void> {
  const content = await folderContent(to.path);
  if (content.kind !== 'ours' && content.kind !== 'foreign') return;
  // Every appended part was held against the ones before, so any one of them speaks for all.
  const sample = content.files.find((file) => formatOfFile(file) !== null);
  if (sample === undefined) return;
  const there = formatOfFile(sample);
  if (there !== format) {
    throw mismatch(to, sample, `it is to be ${format}, and what is there is ${there}`);
  }
  const known = await columnsThere(to, content.files, sample, format, context);
  const difference = known === null ? null : firstDifference(known, columns);
  if (difference !== null) throw mismatch(to, sample, difference.what, difference.column);
}

/** Null: nothing is known about them. */
async function columnsThere(
  to: Destination,
  files: readonly string[],
  sample: string,
  format: JobSpec['output']['destination'],
  { engine, signal }: SinkContext,
): Promise<readonly Partial<SinkColumn>[] | null> {
  const path = join(to.given, sample);
  if (format === 'parquet') return (await engine.describe([path], signal))[0]?.columns ?? [];
  for (const file of files.filter((each) => /^([^/]+\/)?_manifest\.json$/.test(each))) {
    const manifest = await readPublishedManifest(join(to.path, file));
    if (manifest === null || manifest === 'foreign' || manifest.columns === null) continue;
    const folder = file.slice(0, -MANIFEST_FILE.length);
    if (manifest.files.some((each) => `${folder}${each}` === sample)) return manifest.columns;
  }
  return format === 'csv' ? (await engine.csvHead(path)).map((name) => ({ name })) : null;
}

function mismatch(to: Destination, sample: string, what: string, field?: string): Failure {
  return new Failure('SCHEMA_MISMATCH', `The result does not fit the dataset at ${to.path}: ${what}.`, {
    place: { file: join(to.path, sample), ...(field === undefined ? {} : { field }) },
    next: 'Choose another destination, or output.mode overwrite.',
  });
}

function firstDifference(
  there: readonly Partial<SinkColumn>[],
  ours: readonly SinkColumn[],
): { column: string; what: string } | null {
  const typed = ({ name, type }: Partial<SinkColumn>) => `"${name}"${type === undefined ? '' : ` (${type})`}`;
  for (let index = 0; index < Math.max(there.length, ours.length); index++) {
    const old = there[index];
    const now = ours[index];
    if (now === undefined && old !== undefined) {
      return { column: old.name ?? '', what: `its column ${index + 1}, ${typed(old)}, is missing` };
    }
    if (now === undefined || (old?.name === now.name && (old.type ?? now.type) === now.type)) continue;
    const column = `column ${index + 1} is ${typed(now)}`;
    const what =
      old === undefined
        ? `${column}, and there are only ${index} there`
        : `${column}, and ${typed(old)} there`;
    return { column: now.name, what };
  }
  return null;
}
