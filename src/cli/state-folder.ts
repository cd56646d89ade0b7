import { randomBytes } from 'node:crypto';
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { isRunningHere } from '../compute/local/process-identity.ts';
import { Failure } from '../core/errors.ts';
import { errnoOf, fsFailure } from '../storage/fs-failure.ts';

/** The folder of an embedded manager: ledger, logs, workspaces, models. */
export interface StateFolder {
  readonly path: string;
  readonly logs: string;
  readonly workspace: string;
}

/** Where a live manager can be found. The file is readable by its owner only: it holds the key to the manager. */
export interface Endpoint {
  readonly url: string;
  readonly token: string;
  readonly pid: number;
  /** The manager's process, told apart from later ones with its number (`processIdentity`). */
  readonly process: string;
}

/** The only tenant of embedded use. */
export const EMBEDDED_TENANT = 'default';

/** Whether a manager ever worked with this state folder. Fails with STATE_UNUSABLE where it is no folder. */
export function hasState(path: string): boolean {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === false)
    throw new Failure('STATE_UNUSABLE', `The state folder ${path} is a file.`, { place: { file: path } });
  return existsSync(join(resolve(path), 'ledger.sqlite'));
}

/** Fails with STATE_UNUSABLE or DISK_FULL. */
export function openStateFolder(path: string): StateFolder {
  const folder = resolve(path);
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    // Keeps state out of version control wherever it is made.
    writeOnce(join(folder, '.gitignore'), '*\n');
    accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    const code = errnoOf(error);
    if (code === 'ENOSPC' || code === 'EDQUOT') throw fsFailure(error, 'Making the state folder', folder);
    const why =
      code === 'EEXIST' || code === 'ENOTDIR' ? 'is a file, or below one' : `cannot be used (${code})`;
    throw new Failure('STATE_UNUSABLE', `The state folder ${folder} ${why}.`, {
      place: { file: folder },
      cause: error,
    });
  }
  return { path: folder, logs: join(folder, 'logs'), workspace: join(folder, 'workspace') };
}

/** The secret that seals tokens; made at first use. */
export function tokenSecret({ path }: StateFolder): Uint8Array {
  const file = join(path, 'token-secret');
  writeOnce(file, randomBytes(32).toString('hex'), 0o600);
  return Buffer.from(readFileSync(file, 'utf8').trim(), 'hex');
}

export function writeEndpoint({ path }: StateFolder, endpoint: Endpoint): void {
  const temporary = join(path, `endpoint.${process.pid}`);
  writeFileSync(temporary, JSON.stringify(endpoint), { mode: 0o600 });
  renameSync(temporary, join(path, 'endpoint.json'));
}

/**
 * Where the manager is, if the very process that said so still runs here; else null. A file that a killed manager left
 * behind names a port that may be anybody's by now: nobody but that process may be shown the token.
 */
export function liveEndpoint(folder: StateFolder): Endpoint | null {
  const endpoint = readEndpoint(folder);
  return endpoint !== null && isRunningHere(endpoint.pid, endpoint.process) ? endpoint : null;
}

/** Null: no manager said where it is, or not completely. */
export function readEndpoint({ path }: StateFolder): Endpoint | null {
  try {
    return JSON.parse(readFileSync(join(path, 'endpoint.json'), 'utf8')) as Endpoint;
  } catch {
    return null;
  }
}

export function removeEndpoint({ path }: StateFolder): void {
  rmSync(join(path, 'endpoint.json'), { force: true });
}

function writeOnce(file: string, content: string, mode = 0o644): void {
  try {
    writeFileSync(file, content, { flag: 'wx', mode });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}
