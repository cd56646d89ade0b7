import type { ExitCode } from '../core/exit-codes.ts';
import type { Output } from './output.ts';

export const INTERRUPTED: ExitCode = 130;

export interface Interrupts {
  /** Aborted at the first one. */
  readonly first: AbortSignal;
  stop(): void;
}

/**
 * The first SIGINT or SIGTERM asks politely; the second ends this process at once, with exit code 130, and its children
 * with it: they live only as long as the pipe from their parent is open.
 */
export function watchInterrupts(output: Output): Interrupts {
  const first = new AbortController();
  const listener = () => {
    if (first.signal.aborted) {
      output.note('Killed. What was scored before is kept: batchwright resume');
      process.exit(INTERRUPTED);
    }
    first.abort();
  };
  process.on('SIGINT', listener);
  process.on('SIGTERM', listener);
  return {
    first: first.signal,
    stop() {
      process.off('SIGINT', listener);
      process.off('SIGTERM', listener);
    },
  };
}
