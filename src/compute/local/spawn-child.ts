import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { getCompileCacheDir } from 'node:module';
import { dirname } from 'node:path';
import { fsFailure } from '../../storage/fs-failure.ts';
import { processIdentity } from './process-identity.ts';

/** How this program starts itself again, as worker or task. */
export interface Program {
  /** Node's executable. */
  readonly execPath: string;
  /** Arguments before the command: Node's own flags and the entry file. */
  readonly args: readonly string[];
}

export interface Child {
  readonly identity: string;
  readonly process: ChildProcess;
}

export interface ChildPlace {
  readonly token: string;
  readonly logFile: string;
  /** The child's folder for temporary files, TMPDIR: what a killed child leaves there can be found and removed. */
  readonly scratch: string;
  /** A channel for messages (`process.send`). Default: none. */
  readonly channel?: boolean;
  /** Variables beside those that every child gets. */
  readonly environment?: Readonly<Record<string, string>>;
}

/**
 * Starts this program with a command. The child ends when this process does: it watches the pipe that is its standard
 * input. It inherits no secret: of our environment only what is listed below and what is given, the token through `BATCHWRIGHT_TOKEN`
 * (arguments are visible to every user of the machine).
 */
export function spawnChild(
  program: Program,
  command: readonly string[],
  { token, logFile, scratch, channel = false, environment = {} }: ChildPlace,
): Child {
  const log = openLogFile(logFile);
  mkdirSync(scratch, { recursive: true, mode: 0o700 });
  const child = spawn(program.execPath, [...program.args, ...command], {
    stdio: ['pipe', log, log, ...(channel ? (['ipc'] as const) : [])],
    // A group of its own: Ctrl-C of the terminal reaches the manager only, which then drains.
    detached: true,
    env: {
      ...inheritedEnvironment(),
      ...environment,
      TMPDIR: scratch,
      // From the very start, not only once our own code runs: from source, a cache hit also saves stripping the types.
      NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? getCompileCacheDir() ?? '',
      BATCHWRIGHT_TOKEN: token,
      BATCHWRIGHT_PARENT_PIPE: '1',
    },
  });
  closeSync(log);
  child.stdin?.on('error', () => {});
  return { identity: child.pid === undefined ? 'proc:none' : processIdentity(child.pid), process: child };
}

function openLogFile(path: string): number {
  try {
    mkdirSync(dirname(path), { recursive: true });
    return openSync(path, 'a');
  } catch (error) {
    throw fsFailure(error, 'Opening the log of the job', path);
  }
}

const INHERITED = ['PATH', 'HOME', 'LANG', 'LC_ALL', 'TZ', 'XDG_CONFIG_HOME', 'LD_LIBRARY_PATH'];

function inheritedEnvironment(): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const name of INHERITED) {
    const value = process.env[name];
    if (value !== undefined) environment[name] = value;
  }
  return environment;
}
