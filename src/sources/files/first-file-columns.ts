import { partitionOf } from '../../core/hive-partition.ts';
import { errnoOf } from '../../storage/fs-failure.ts';
import { expandPaths } from './expand-paths.ts';

/**
 * Columns of the first file as `namesIn` tells them, and those that its folders give. Null: it does not tell, or names differ
 * in letter case only, which pinning sees to.
 */
export async function firstFileColumns(
  paths: readonly string[],
  folderPattern: string,
  namesIn: (path: string) => Promise<readonly string[] | null>,
): Promise<string[] | null> {
  const [first] = await expandPaths(paths, folderPattern);
  if (first === undefined) return null;
  const own = await namesIn(first).catch((error: unknown) => {
    // That a file cannot be read is said, with the file's name, by whoever reads all of it.
    if (errnoOf(error) === null) throw error;
    return null;
  });
  if (own === null || own.length === 0) return null;
  const taken = new Set(own.map((name) => name.toLowerCase()));
  if (taken.size < own.length) return null;
  return [...own, ...[...partitionOf(first).keys()].filter((name) => !taken.has(name.toLowerCase()))];
}
