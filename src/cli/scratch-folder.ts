import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isProvablyDead, processIdentity } from '../compute/local/process-identity.ts';
import { fsFailure, isAbsent } from '../storage/fs-failure.ts';

/**
 * A folder for this process's temporary files, such as what the data engine spills; made at once, removed at the end. It lies in the
 * system's folder for such files, which for workers and tasks of a manager is `scratchRoot` (see `spawnChild`). After a
 * kill it stays, until the next manager starts: its name says whose it is. Fails with DISK_FULL or STORAGE_FAILED.
 */
export function scratchFolder(): { readonly path: string; remove(): void } {
  const path = join(tmpdir(), nameOf(processIdentity(process.pid)));
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw fsFailure(error, 'Making a folder for temporary files', path);
  }
  // What libraries put aside goes there too, and with it.
  process.env.TMPDIR = path;
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** Below which the workers and tasks of a manager keep their temporary files. */
export function scratchRoot(workspace: string): string {
  return join(workspace, 'tmp');
}

/** Removes the scratch folders of processes that are certainly gone; others, and what is none, stay. */
export function removeDeadScratch(root: string): void {
  for (const name of namesIn(root)) {
    const identity = identityIn(name);
    if (identity !== null && isProvablyDead(identity))
      rmSync(join(root, name), { recursive: true, force: true });
  }
}

const PREFIX = 'batchwright-';

/** `:` is no character for file names everywhere. */
function nameOf(identity: string): string {
  return PREFIX + identity.replaceAll(':', '+');
}

function identityIn(name: string): string | null {
  return name.startsWith(PREFIX) ? name.slice(PREFIX.length).replaceAll('+', ':') : null;
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (isAbsent(error)) return [];
    throw fsFailure(error, 'Looking for temporary files', folder);
  }
}
