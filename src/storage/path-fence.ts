import { readlink, realpath } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { Failure } from '../core/errors.ts';
import { errnoOf } from './fs-failure.ts';

export interface FencedPath {
  /** Absolute. It need not exist. */
  readonly path: string;
  /** What names it, for the message. */
  readonly field: string;
}

/** Fails with PATH_FORBIDDEN, naming field and path, unless all paths lie where the tenant may read and write. */
export type PathFence = (tenant: string, paths: readonly FencedPath[]) => Promise<void>;

/**
 * A fence around the folders of each tenant: what counts is where a path really leads, through all links, by as much of it
 * as exists. `closed`: folders that belong to nobody, even inside of those. It says what is so now: whoever may
 * make links below a root can move one after the check, so what was read is checked again when it is pinned.
 */
export function createPathFence(
  rootsOf: (tenant: string) => readonly string[],
  closed: readonly string[],
): PathFence {
  return async (tenant, paths) => {
    const roots = await Promise.all(rootsOf(tenant).map((root) => realOf(root)));
    const kept = await Promise.all(closed.map((folder) => realOf(folder)));
    for (const { path, field } of paths) {
      const real = await realOf(path);
      if (roots.some((root) => isWithin(real, root)) && !kept.some((folder) => isWithin(real, folder)))
        continue;
      throw new Failure(
        'PATH_FORBIDDEN',
        roots.length === 0
          ? `Tenant ${tenant} has no folders on the server, so ${path} cannot be used.`
          : `${path} lies outside the folders of tenant ${tenant}.`,
        { place: { field } },
      );
    }
  };
}

function isWithin(path: string, folder: string): boolean {
  const way = relative(folder, path);
  return way === '' || (way !== '..' && !way.startsWith(`..${sep}`));
}

/** A place that no path leads to. */
const NOWHERE = '/\0';
/** As Linux has it. */
const MOST_LINKS = 40;

/** The real path of the nearest thing that exists, and the rest of the path as it is. */
async function realOf(path: string, links = 0): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    const code = errnoOf(error);
    const parent = dirname(path);
    if (parent === path) return path;
    // A loop of links, or a folder that may not be searched: nobody can say where it leads.
    if (code !== 'ENOENT' && code !== 'ENOTDIR') return NOWHERE;
    const target = await readlink(path).catch(() => null);
    if (target === null) return join(await realOf(parent, links), basename(path));
    // A link to what is not there yet: what is written to it appears there.
    return links < MOST_LINKS ? realOf(resolve(parent, target), links + 1) : NOWHERE;
  }
}
