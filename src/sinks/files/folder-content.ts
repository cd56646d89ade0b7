import { lstat, readdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { MANIFEST_FILE } from '../../core/manifest.ts';
import { isAbsent } from '../../storage/fs-failure.ts';
import { readPublishedManifest } from './published-manifest.ts';

/**
 * What a folder is to us. It is ours if every file below it is a manifest of ours or named by one: at the top, or in a
 * sub-folder for the files of that sub-folder. `stranger` is the first file that is neither.
 */
export type FolderContent =
  | { readonly kind: 'absent' }
  | { readonly kind: 'no-folder' }
  | { readonly kind: 'empty' }
  | { readonly kind: 'ours'; readonly files: readonly string[] }
  | { readonly kind: 'foreign'; readonly files: readonly string[]; readonly stranger: string };

/** Follows no links: a link is a file like another. */
export async function folderContent(folder: string): Promise<FolderContent> {
  const kind = await kindOf(folder);
  if (kind !== 'folder') return { kind };
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  if (entries.length === 0) return { kind: 'empty' };
  const files = entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort();
  const known = new Set<string>();
  for (const manifest of files.filter((file) => /^([^/]+\/)?_manifest\.json$/.test(file))) {
    const found = await readPublishedManifest(join(folder, manifest));
    if (found === null || found === 'foreign') continue;
    known.add(manifest);
    for (const file of found.files) known.add(manifest.slice(0, -MANIFEST_FILE.length) + file);
  }
  const stranger = known.size === 0 ? (files[0] ?? entries[0]?.name) : files.find((file) => !known.has(file));
  return stranger === undefined ? { kind: 'ours', files } : { kind: 'foreign', files, stranger };
}

/** True also for a folder that is not there. */
export async function isEmptyFolder(folder: string): Promise<boolean> {
  try {
    return (await readdir(folder)).length === 0;
  } catch (error) {
    if (isAbsent(error)) return (await kindOf(folder)) === 'absent';
    throw error;
  }
}

export async function kindOf(path: string): Promise<'absent' | 'no-folder' | 'folder'> {
  try {
    return (await lstat(path)).isDirectory() ? 'folder' : 'no-folder';
  } catch (error) {
    if (isAbsent(error)) return 'absent';
    throw error;
  }
}
