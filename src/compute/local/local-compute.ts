import type { Compute, Fleet, FleetRequest } from '../compute.ts';
import { type Child, type Program, spawnChild } from './spawn-child.ts';
import { thisMachine } from './this-machine.ts';

export interface LocalComputeOptions {
  readonly program: Program;
  /** The storage's root as this machine sees it. */
  readonly storageRoot: string;
  /** Folder for the workers' temporary files, on this machine. */
  readonly scratch: string;
  /** Default: the cores that this process may use. */
  readonly slots?: number;
}

/**
 * V8 begins with a heap limit of a few megabytes and counts buffers in it, of which a worker makes many: from there it
 * collected the whole heap dozens of times a job, for a tenth of the worker's CPU. So much room, and it does not.
 */
const WORKER_HEAP = '--initial-old-space-size=32';

/** Workers are child processes on this machine, one for each slot. */
export function createLocalCompute(options: LocalComputeOptions): Compute {
  const machine = thisMachine();
  return {
    slots: options.slots ?? machine.slots,
    memoryMb: machine.memoryMb,
    provision: (request) => createFleet(options, request),
  };
}

function createFleet({ program, storageRoot, scratch }: LocalComputeOptions, request: FleetRequest): Fleet {
  const running = new Map<string, Child>();
  let stopping = false;
  let started = 0;

  const start = () => {
    const command = ['worker', '--manager', request.managerUrl, '--storage', storageRoot];
    const child = spawnChild({ ...program, args: [WORKER_HEAP, ...program.args] }, command, {
      token: request.token,
      logFile: request.logFile,
      scratch,
    });
    started += 1;
    // A child that could not be started has no identity of its own.
    const name = child.process.pid === undefined ? `proc:none:${started}` : child.identity;
    running.set(name, child);
    const ended = (code: number | null, signal: string | null) => {
      if (!running.delete(name)) return;
      if (!stopping) request.onExit({ worker: name, code, signal });
    };
    child.process.once('exit', ended);
    child.process.once('error', () => ended(null, null));
  };

  return {
    workers: () => [...running.keys()],
    scaleUp(count) {
      for (let missing = count - running.size; missing > 0 && !stopping; missing -= 1) start();
    },
    async stop(graceMs) {
      stopping = true;
      const children = [...running.values()].map(({ process }) => process);
      const exits = children.map(
        (child) => new Promise<void>((resolve) => child.once('exit', () => resolve())),
      );
      for (const child of children) child.kill('SIGTERM');
      const kill = setTimeout(() => {
        for (const child of children) child.kill('SIGKILL');
      }, graceMs);
      await Promise.all(exits);
      clearTimeout(kill);
      running.clear();
    },
  };
}
