import { randomUUID } from 'node:crypto';
import { constants, type Dirent } from 'node:fs';
import {
  copyFile,
  link,
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  realpath,
  rm,
  stat,
  unlink,
} from 'node:fs/promises';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { Failure } from '../core/errors.ts';
import { syncToDisk } from './durable.ts';
import { fileSha256 } from './file-sha256.ts';
import { errnoOf, fsFailure, isAbsent } from './fs-failure.ts';
import type { SealedObject, StagedObject, Storage } from './storage.ts';

export interface LocalStorageOptions {
  /** Absolute path of the folder that all keys are relative to. */
  readonly root: string;
}

/**
 * A storage on this machine's disk. Keys are checked, and a path that leaves the root by way of a symbolic link is
 * refused when it is used. `list` gives plain files only: links are not followed, staged objects are not shown.
 *
 * Beside the codes of the contract: DESTINATION_UNWRITABLE for a folder that may not be written.
 */
export function createLocalStorage({ root: givenRoot }: LocalStorageOptions): Storage {
  const root = resolve(givenRoot);
  const durable = durableFolders(root);
  const pathOf = async (key: string): Promise<string> => {
    const path = key === '' ? root : join(root, checkedKey(key));
    await refuseOutside(path, root);
    return path;
  };

  return {
    keyOf(absolutePath) {
      const key = relative(root, absolutePath).split(sep).join('/');
      if (key === '' || key === '..' || key.startsWith('../')) {
        throw new Failure(
          'STORAGE_FAILED',
          `${absolutePath} lies outside the storage, whose root is ${root}.`,
          {
            place: { file: absolutePath },
          },
        );
      }
      return checkedKey(key);
    },

    localPath: pathOf,

    async stat(key) {
      const path = await pathOf(key);
      try {
        const found = await stat(path, { bigint: true });
        return found.isFile() ? { sizeBytes: Number(found.size), mtimeNs: String(found.mtimeNs) } : null;
      } catch (error) {
        if (isAbsent(error)) return null;
        throw fsFailure(error, 'Looking up an object', path, 'SOURCE_UNREADABLE');
      }
    },

    async read(key) {
      const path = await pathOf(key);
      try {
        return await readFile(path);
      } catch (error) {
        if (isAbsent(error)) {
          throw new Failure('SOURCE_NOT_FOUND', `${path} does not exist.`, {
            place: { file: path },
            cause: error,
          });
        }
        throw fsFailure(error, 'Reading an object', path, 'SOURCE_UNREADABLE');
      }
    },

    async *list(prefix) {
      yield* listBelow(await pathOf(prefix), prefix);
    },

    async stage(key) {
      const final = await pathOf(key);
      const folder = dirname(final);
      try {
        durable.made(await mkdir(folder, { recursive: true }), folder);
      } catch (error) {
        throw fsFailure(error, 'Making a folder', folder, 'DESTINATION_UNWRITABLE');
      }
      return stagedObject(final, durable.sync);
    },

    async link(from, to) {
      const path = await pathOf(from);
      const staged = await this.stage(to);
      try {
        await linkOrCopy(path, staged.path);
      } catch (error) {
        await staged.discard();
        if (isAbsent(error)) {
          throw new Failure('SOURCE_NOT_FOUND', `${path} does not exist.`, {
            place: { file: path },
            cause: error,
          });
        }
        throw fsFailure(error, 'Copying an object', staged.path, 'DESTINATION_UNWRITABLE');
      }
      return staged.seal();
    },

    async remove(key) {
      const path = await pathOf(key);
      if (path === root) throw new Failure('STORAGE_FAILED', 'The whole storage is never removed.');
      durable.forget();
      try {
        await rm(path, { recursive: true, force: true });
      } catch (error) {
        if (isAbsent(error)) return;
        throw fsFailure(error, 'Removing', path, 'DESTINATION_UNWRITABLE');
      }
    },
  };
}

const STAGED_SUFFIX = '.staged';

/**
 * seal = hash, fsync the bytes, link to the final name (a link never replaces anything), fsync the folders. If a sync
 * fails, the object is void: the name is taken away again and the same staged object cannot be sealed any more.
 */
function stagedObject(final: string, syncFolders: (folder: string) => Promise<void>): StagedObject {
  const folder = dirname(final);
  const path = join(folder, `.${randomUUID()}${STAGED_SUFFIX}`);
  let done: SealedObject | null = null;
  let isVoid = false;

  const discard = () => rm(path, { force: true });
  return {
    path,
    discard,
    async seal() {
      if (done !== null) return done;
      if (isVoid) {
        throw new Failure('STORAGE_FAILED', `${final} could not be made durable and must be written again.`, {
          place: { file: final },
        });
      }
      try {
        const sealed = await hashAndSync(path);
        const isNew = await linkExclusively(path, final);
        try {
          if (!isNew) await requireSame(final, sealed);
          await syncFolders(folder);
        } catch (error) {
          if (isNew) await unlink(final);
          throw error;
        }
        await discard();
        done = sealed;
        return sealed;
      } catch (error) {
        isVoid = true;
        await discard();
        throw fsFailure(error, 'Sealing an object', final, 'DESTINATION_UNWRITABLE');
      }
    },
  };
}

/** Objects are never written again, so that two names of one file are as good as two files. */
async function linkOrCopy(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    if (isAbsent(error)) throw error;
    await copyFile(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
  }
}

async function hashAndSync(path: string): Promise<SealedObject> {
  const file = await open(path, 'r');
  try {
    const sealed = await fileSha256(file);
    await file.sync();
    return sealed;
  } finally {
    await file.close();
  }
}

/** False: there is something under the final name already. */
async function linkExclusively(path: string, final: string): Promise<boolean> {
  try {
    await link(path, final);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false;
    throw error;
  }
}

/** The object that is there may come from a process that died before its sync, so it is synced again. */
async function requireSame(final: string, sealed: SealedObject): Promise<void> {
  const there = (await lstat(final)).isFile() ? await hashAndSync(final) : null;
  if (there?.sha256 === sealed.sha256) return;
  throw new Failure('STORAGE_FAILED', `${final} exists with another content; objects are never replaced.`, {
    place: { file: final },
  });
}

/** Makes folders' names durable, each once: any process may have made them and not have come to sync them. */
function durableFolders(root: string) {
  const known = new Set<string>([root]);
  return {
    /** `first`: topmost folder that was just made, if any, on the way to `folder`. */
    made(first: string | undefined, folder: string) {
      if (first === undefined) return;
      for (let made = folder; made.length >= first.length; made = dirname(made)) known.delete(made);
    },
    forget: () => known.clear(),
    /** Syncs the folder's entries, and the names of the folders above up to the root. */
    async sync(folder: string) {
      await syncToDisk(folder);
      for (
        let each = folder;
        each !== root && !known.has(each) && each !== dirname(each);
        each = dirname(each)
      ) {
        await syncToDisk(dirname(each)).catch((error: unknown) => {
          // A folder that we may not even read was not made by us.
          if (errnoOf(error) !== 'EACCES') throw error;
        });
        known.add(each);
      }
    },
  };
}

function checkedKey(key: string): string {
  const segments = key.split('/');
  if (
    segments.some((segment) => segment === '' || segment === '.' || segment === '..') ||
    key.includes('\0')
  ) {
    throw new Failure('STORAGE_FAILED', `${JSON.stringify(key)} is not a key of a storage.`);
  }
  return key;
}

/** Follows the links of what exists of a path. */
async function refuseOutside(path: string, root: string): Promise<void> {
  if (root === sep) return;
  try {
    const realRoot = await realpath(root);
    const real = await realOfNearest(path);
    if (real === realRoot || real.startsWith(realRoot + sep)) return;
    throw new Failure(
      'STORAGE_FAILED',
      `${path} leaves the storage ${root} by a symbolic link, to ${real}.`,
      {
        place: { file: path },
      },
    );
  } catch (error) {
    throw fsFailure(error, 'Following a path', path, 'SOURCE_UNREADABLE');
  }
}

async function realOfNearest(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if (!isAbsent(error) || path === dirname(path)) throw error;
    // A link that leads nowhere is no place to write to: what it names is decided by whoever made it.
    if ((await lstat(path).catch(() => null))?.isSymbolicLink()) {
      throw new Failure('STORAGE_FAILED', `${path} is a symbolic link that leads nowhere.`, {
        place: { file: path },
      });
    }
    return realOfNearest(dirname(path));
  }
}

async function* listBelow(folder: string, prefix: string): AsyncGenerator<string> {
  let entries: Dirent[];
  try {
    entries = await readdir(folder, { withFileTypes: true });
  } catch (error) {
    if (isAbsent(error)) return;
    throw fsFailure(error, 'Listing a folder', folder, 'SOURCE_UNREADABLE');
  }
  // Byte order of whole keys: a folder sorts as if its name ended with the slash that follows it in its keys.
  const sorted = entries
    .map((entry) => ({ entry, bytes: Buffer.from(entry.isDirectory() ? `${entry.name}/` : entry.name) }))
    .sort((a, b) => Buffer.compare(a.bytes, b.bytes));
  for (const { entry } of sorted) {
    const key = prefix === '' ? entry.name : `${prefix}/${entry.name}`;
    if (entry.isDirectory()) yield* listBelow(join(folder, entry.name), key);
    else if (entry.isFile() && !isStaged(entry.name)) yield key;
  }
}

function isStaged(name: string): boolean {
  return name.startsWith('.') && name.endsWith(STAGED_SUFFIX);
}
