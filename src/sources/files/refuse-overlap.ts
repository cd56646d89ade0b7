import { realpath } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { Failure } from '../../core/errors.ts';
import { errnoOf, fsFailure, isAbsent } from '../../storage/fs-failure.ts';
import { expandPaths, leadsInto, searched } from './expand-paths.ts';

/**
 * Fails with DESTINATION_IN_INPUT when `destination` (an absolute folder that need not exist) is or will be among what
 * `paths` find, so that the next run would score its own output; or when an input file lies inside it, so that publishing
 * would move the input away. Links are followed. A destination beside the files of a pattern is fine: `in/*.parquet` finds
 * nothing in `in/scores/`.
 *
 * Fails like `expandPaths` too. For 10,000 files it takes about half a second.
 */
export async function refuseOverlap(
  paths: readonly string[],
  folderPattern: string,
  destination: string,
): Promise<void> {
  const folder = await realPathOf(destination);
  for (const path of paths) {
    const { base, pattern } = await searched(path, folderPattern);
    const below = inside(folder, await realPathOf(base));
    if (below === null || !leadsInto(pattern, below)) continue;
    throw overlap(
      `The destination ${destination} is searched for input: input.path ${path} would find the result in it.`,
      destination,
    );
  }
  for (const file of await expandPaths(paths, folderPattern)) {
    if (inside(await realPathOf(file), folder) === null) continue;
    throw overlap(`The input file ${file} lies inside the destination ${destination}.`, destination);
  }
}

function overlap(message: string, destination: string): Failure {
  return new Failure('DESTINATION_IN_INPUT', message, { place: { file: destination, field: 'output.path' } });
}

/** The way from `folder` to `path`, '' for itself; null when it does not lie there. */
function inside(path: string, folder: string): string | null {
  const way = relative(folder, path);
  return way === '..' || way.startsWith('../') ? null : way;
}

/** Links resolved as far as the path exists. */
async function realPathOf(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if (isAbsent(error) && path !== dirname(path))
      return join(await realPathOf(dirname(path)), basename(path));
    if (errnoOf(error) === null) throw error;
    throw fsFailure(error, 'Following a path', path, 'SOURCE_UNREADABLE');
  }
}
