import type { Program } from '../compute/local/spawn-child.ts';
import { spawnChild } from '../compute/local/spawn-child.ts';
import type { TaskProcess, TaskRequest } from '../manager/manager-deps.ts';

/** Starts the task process of a job beside the manager. */
export function startTaskProcess(program: Program, managerUrl: string, request: TaskRequest): TaskProcess {
  const child = spawnChild(program, ['task', '--manager', managerUrl], request.token, request.logFile);
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
