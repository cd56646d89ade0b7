import { constants, type Dirent } from 'node:fs';
import { access, glob, stat } from 'node:fs/promises';
import { join, matchesGlob, relative } from 'node:path';
import { Failure } from '../../core/errors.ts';
import { errnoOf, isAbsent } from '../../storage/fs-failure.ts';
import { didYouMean } from '../../storage/similar-file.ts';

/**
 * Files that absolute paths, folders and glob patterns name, in byte order within each, each file once.
 *
 * A folder stands for all files below it that `folderPattern` finds; names that begin with `_` or `.` are left out there and in
 * patterns, as Spark and Hive do: they are bookkeeping, not data. A file named in full is taken whatever its name.
 *
 * Fails with SOURCE_NOT_FOUND for a path that does not exist or a pattern that matches nothing, SOURCE_UNREADABLE for a
 * folder on the way that may not be searched.
 */
export async function expandPaths(paths: readonly string[], folderPattern: string): Promise<string[]> {
  const files = new Set<string>();
  for (const path of paths) {
    for (const file of await expand(path, folderPattern)) files.add(file);
  }
  return [...files];
}

/** Folders and files below which everything lies that `expandPaths` can find. */
export function searchFolders(paths: readonly string[]): string[] {
  return paths.map((path) => (WILDCARD.test(path) ? splitPattern(path)[0] : path));
}

/** The existing file or folder that a path starts from, and the pattern that is searched below; '' for a file. */
export async function searched(
  path: string,
  folderPattern: string,
): Promise<{ readonly base: string; readonly pattern: string }> {
  const kind = await kindOf(path);
  if (kind === 'file') return { base: path, pattern: '' };
  if (kind === 'folder') return { base: path, pattern: folderPattern };
  if (!WILDCARD.test(path)) {
    throw new Failure('SOURCE_NOT_FOUND', `${path} does not exist${didYouMean(path) || '.'}`, {
      place: { file: path, field: 'input.path' },
    });
  }
  const [base, pattern] = splitPattern(path);
  return { base, pattern };
}

async function expand(path: string, folderPattern: string): Promise<string[]> {
  const { base, pattern } = await searched(path, folderPattern);
  if (pattern === '') return [path];
  const found: string[] = [];
  await requireReadable(base);
  // Folders that the search goes through. Those that may not be read would be passed over in silence.
  const folders: string[] = [];
  const exclude = (entry: Dirent): boolean => {
    if (isBookkeeping(entry.name)) return true;
    if (entry.isDirectory()) folders.push(join(entry.parentPath, entry.name));
    return false;
  };
  for await (const entry of glob(pattern, { cwd: base, withFileTypes: true, exclude })) {
    const file = join(entry.parentPath, entry.name);
    if (!isBookkeeping(relative(base, file)) && (await kindOf(file)) === 'file') found.push(file);
  }
  for (const folder of folders) {
    if (leadsInto(pattern, relative(base, folder))) await requireReadable(folder);
  }
  if (found.length === 0) {
    const what =
      base === path ? `${path} holds no ${endingsOf(folderPattern)} file` : `No file matches ${path}`;
    throw new Failure('SOURCE_NOT_FOUND', `${what}.`, { place: { file: path, field: 'input.path' } });
  }
  return found.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

/** As people say it: `.csv, .csv.gz or .csv.zst`. */
function endingsOf(folderPattern: string): string {
  const endings = folderPattern
    .replace(/^.*\*\.\{?|\}$/g, '')
    .split(',')
    .map((ending) => `.${ending}`);
  return endings.join(', ').replace(/, ([^,]*)$/, ' or $1');
}

/** Could the pattern find a file below `folder`, a path without wildcards ('' is where the pattern starts)? */
export function leadsInto(pattern: string, folder: string): boolean {
  return partsLeadInto(pattern.split('/'), folder === '' ? [] : folder.split('/'));
}

function partsLeadInto(pattern: readonly string[], folders: readonly string[]): boolean {
  const [part, ...rest] = pattern;
  const [folder, ...deeper] = folders;
  if (part === undefined) return false;
  if (folder === undefined) return true;
  if (isBookkeeping(folder)) return false;
  // Braces that hold a slash are not taken apart: they count as anything.
  if (part === '**' || part.split('{').length !== part.split('}').length) {
    return partsLeadInto(rest, folders) || partsLeadInto(pattern, deeper);
  }
  return matchesGlob(folder, part) && partsLeadInto(rest, deeper);
}

async function requireReadable(folder: string): Promise<void> {
  try {
    await access(folder, constants.R_OK | constants.X_OK);
  } catch (error) {
    // A pattern may start at a folder that is not there; it finds nothing.
    if (isAbsent(error)) return;
    throw unreadable(folder, error);
  }
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
    if (isAbsent(error)) return 'none';
    throw unreadable(path, error);
  }
}

function unreadable(path: string, cause: unknown): Failure {
  return new Failure('SOURCE_UNREADABLE', `${path} cannot be read (${errnoOf(cause)}).`, {
    place: { file: path, field: 'input.path' },
    cause,
  });
}
