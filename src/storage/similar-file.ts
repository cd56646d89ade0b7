import { existsSync, readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { nearest } from '../core/nearest.ts';

/** Beyond so many names in a folder no similar one is looked for. */
const MOST_NAMES = 20_000;

/** `; did you mean customers.parquet?`, with the path of what lies beside a path that does not exist, or beside the
 * folder of it that does not; '' if nothing is similar. */
export function didYouMean(path: string): string {
  const parent = dirname(path);
  // The folder may be what is misspelt.
  if (parent !== path && !existsSync(parent)) return didYouMean(parent);
  const names = namesIn(parent);
  const near = nearest(basename(path), names.length > MOST_NAMES ? [] : names);
  return near === undefined ? '' : `; did you mean ${join(parent, near)}?`;
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    // No folder, or none that may be read: there is nothing to offer.
    return [];
  }
}
