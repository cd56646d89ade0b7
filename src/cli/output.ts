import { asFailure } from '../core/errors.ts';
import { exitCodeOf } from '../core/exit-codes.ts';

/** How a command speaks: lines for people, or one JSON object per line for programs. Results go to standard output. */
export interface Output {
  readonly json: boolean;
  /** The result of a command. */
  result(text: string, data: object): void;
  /** What happens on the way. With `--json` an event, else nothing. */
  event(event: string, data: object): void;
  /** A remark for people; not said with `--json`. */
  note(text: string): void;
}

export function openOutput(json: boolean): Output {
  return {
    json,
    result: (text, data) => process.stdout.write(json ? `${JSON.stringify(data)}\n` : `${text}\n`),
    event: (event, data) => {
      if (json) process.stdout.write(`${JSON.stringify({ event, ...data })}\n`);
    },
    note: (text) => {
      if (!json) process.stderr.write(`${text}\n`);
    },
  };
}

/** Says what went wrong in at most three lines (what, where, what to do) and returns the exit code. */
export function reportFailure(error: unknown, output: Output): number {
  const failure = asFailure(error);
  if (output.json) process.stdout.write(`${JSON.stringify({ event: 'error', error: failure.toJSON() })}\n`);
  else process.stderr.write(`${failure.code}: ${failure.message}\n  ${failure.next}\n`);
  if (failure.code === 'INTERNAL' && process.env.BATCHWRIGHT_DEBUG !== undefined) console.error(error);
  return exitCodeOf(failure.code);
}
