import { type Program, spawnChild } from '../compute/local/spawn-child.ts';
import type { TaskProcess, TaskRequest } from '../manager/manager-deps.ts';

export interface TaskPlace {
  readonly managerUrl: string;
  readonly storageRoot: string;
  /** Folder for temporary files. */
  readonly scratch: string;
  /** What it opens databases with. */
  readonly environment: Readonly<Record<string, string>>;
}

/** Starts the task process of a job beside the manager. */
export function startTaskProcess(program: Program, place: TaskPlace, request: TaskRequest): TaskProcess {
  const command = ['task', '--manager', place.managerUrl, '--storage', place.storageRoot];
  const child = spawnChild(program, command, {
    token: request.token,
    logFile: request.logFile,
    scratch: place.scratch,
    environment: place.environment,
  });
  let ended = false;
  const exit = (code: number | null, signal: string | null) => {
    if (ended) return;
    ended = true;
    request.onExit({ worker: child.identity, code, signal });
  };
  child.process.once('exit', exit);
  child.process.once('error', () => exit(null, null));
  return {
    worker: child.identity,
    kill: () => {
      child.process.kill('SIGKILL');
    },
  };
}
