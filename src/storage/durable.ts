import { open } from 'node:fs/promises';

/**
 * Forces a file's bytes, or a folder's names, to the disk. A failure means that what was written may be lost: trying
 * again proves nothing (the kernel reports a lost page once), so write it anew.
 */
export async function syncToDisk(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
