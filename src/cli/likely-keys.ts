import type { Snapshot } from '../core/snapshot.ts';
import { type KeyCandidates, keyCandidates } from '../data/key-candidates.ts';
import type { Storage } from '../storage/storage.ts';
import { hasKeyType } from './key-names.ts';

/** Columns that could be the key by the first rows of a snapshot: no null in them, and no value twice. */
export async function keysByValue({ files, columns }: Snapshot, storage: Storage): Promise<KeyCandidates> {
  const inFolders = new Set(Object.keys(files[0]?.partition ?? {}));
  const possible = columns.filter((column) => hasKeyType(column) && !inFolders.has(column.name));
  const paths = await Promise.all(files.map(({ key }) => storage.localPath(key)));
  return await keyCandidates(
    paths,
    possible.map(({ name }) => name),
    files.some(({ original }) => (original?.malformed ?? 0) > 0),
  );
}
