import { glob, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure } from '../../core/errors.ts';

/**
 * Files that absolute paths, folders and glob patterns name, in byte order within each, each file once.
 *
 * A folder stands for all `.parquet` files below it; names that begin with `_` or `.` are left out there and in
 * patterns, as Spark and Hive do: they are bookkeeping, not data. A file named in full is taken whatever its name.
 *
 * Fails with SOURCE_NOT_FOUND for a path that does not exist or a pattern that matches nothing.
 */
export async function expandPaths(paths: readonly string[]): Promise<string[]> {
  const files = new Set<string>();
  for (const path of paths) {
    for (const file of await expand(path)) files.add(file);
  }
  return [...files];
}

/** Folders and files below which everything lies that `expandPaths` can find. */
export function searchFolders(paths: readonly string[]): string[] {
  return paths.map((path) => (WILDCARD.test(path) ? splitPattern(path)[0] : path));
}

/** The existing file or folder that a path starts from, and the pattern that is searched below; '' for a file. */
export async function searched(path: string): Promise<{ readonly base: string; readonly pattern: string }> {
  const kind = await kindOf(path);
  if (kind === 'file') return { base: path, pattern: '' };
  if (kind === 'folder') return { base: path, pattern: '**/*.parquet' };
  if (!WILDCARD.test(path)) {
    throw new Failure('SOURCE_NOT_FOUND', `${path} does not exist.`, {
      place: { file: path, field: 'input.path' },
    });
  }
  const [base, pattern] = splitPattern(path);
  return { base, pattern };
}

async function expand(path: string): Promise<string[]> {
  const { base, pattern } = await searched(path);
  if (pattern === '') return [path];
  const found: string[] = [];
  for await (const match of glob(pattern, { cwd: base })) {
    const file = join(base, match);
    if (!isBookkeeping(match) && (await kindOf(file)) === 'file') found.push(file);
  }
  if (found.length === 0) {
    const what = base === path ? `${path} holds no .parquet file` : `No file matches ${path}`;
    throw new Failure('SOURCE_NOT_FOUND', `${what}.`, { place: { file: path, field: 'input.path' } });
  }
  return found.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

const WILDCARD = /[*?[{]/;

/** The folder before the first part with a wildcard, and the rest. */
function splitPattern(path: string): [folder: string, pattern: string] {
  const parts = path.split('/');
  const first = parts.findIndex((part) => WILDCARD.test(part));
  return [parts.slice(0, first).join('/') || '/', parts.slice(first).join('/')];
}

/** Of a path with slashes: does a part of it begin with `_` or `.`? */
export function isBookkeeping(match: string): boolean {
  return match.split('/').some((part) => part.startsWith('_') || part.startsWith('.'));
}

async function kindOf(path: string): Promise<'file' | 'folder' | 'none'> {
  try {
    return (await stat(path)).isDirectory() ? 'folder' : 'file';
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return 'none';
    throw new Failure('SOURCE_UNREADABLE', `${path} cannot be read (${code}).`, {
      place: { file: path, field: 'input.path' },
      cause: error,
    });
  }
}
