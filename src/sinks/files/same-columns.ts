import { join } from 'node:path';
import { Failure } from '../../core/errors.ts';
import type { SinkColumn, SinkContext } from '../sink.ts';
import type { Destination } from './destination.ts';
import { folderContent } from './folder-content.ts';

/** Fails with SCHEMA_MISMATCH unless the dataset at the destination, if there is one, has exactly these columns. */
export async function requireSameColumns(
  to: Destination,
  columns: readonly SinkColumn[],
  { engine, signal }: SinkContext,
): Promise<void> {
  const content = await folderContent(to.path);
  if (content.kind !== 'ours' && content.kind !== 'foreign') return;
  // Every appended part was held against the ones before, so any one of them speaks for all.
  const sample = content.files.find(isData);
  if (sample === undefined) return;
  const [described] = await engine.describe([join(to.given, sample)], signal);
  const difference = firstDifference(described?.columns ?? [], columns);
  if (difference === null) return;
  throw new Failure(
    'SCHEMA_MISMATCH',
    `The result does not fit the dataset at ${to.path}: ${difference.what}.`,
    {
      place: { file: join(to.path, sample), field: difference.column },
      next: 'Choose another destination, or output.mode overwrite.',
    },
  );
}

function isData(file: string): boolean {
  return (
    file.endsWith('.parquet') && !file.split('/').some((name) => name.startsWith('_') || name.startsWith('.'))
  );
}

function firstDifference(
  there: readonly SinkColumn[],
  ours: readonly SinkColumn[],
): { column: string; what: string } | null {
  for (let index = 0; index < Math.max(there.length, ours.length); index++) {
    const old = there[index];
    const now = ours[index];
    if (now === undefined && old !== undefined) {
      return { column: old.name, what: `its column ${index + 1}, "${old.name}" (${old.type}), is missing` };
    }
    if (now === undefined || (old?.name === now.name && old.type === now.type)) continue;
    const column = `column ${index + 1} is "${now.name}" (${now.type})`;
    const what =
      old === undefined
        ? `${column}, and there are only ${index} there`
        : `${column}, and "${old.name}" (${old.type}) there`;
    return { column: now.name, what };
  }
  return null;
}
