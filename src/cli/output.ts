import { asFailure, type Failure, type FailureReport } from '../core/errors.ts';
import { exitCodeOf } from '../core/exit-codes.ts';
import { paint, render, usesColor } from './style.ts';
import { visible, visibleJson } from './visible-text.ts';
import { wrapLines } from './wrap-lines.ts';

/**
 * How a command speaks: lines for people, or one JSON object per line for programs. Results go to standard output,
 * everything else to standard error. What is printed for people cannot act on their terminal (`visible-text.ts`).
 */
export interface Output {
  readonly json: boolean;
  readonly quiet: boolean;
  /** False: `--no-color`. */
  readonly color: boolean;
  /** Columns of the terminal that results go to; null: no terminal, lines may be as long as they come. */
  readonly width: number | null;
  /** The result of a command. */
  result(text: string, data: object): void;
  /** Rows of data as they are, each with its line end; stops early, without an error, when nobody reads on. */
  rows(lines: AsyncIterable<{ readonly text: string }>): Promise<void>;
  /** What happens on the way. With `--json` an event, else nothing. */
  event(event: string, data: object): void;
  /** A remark for people; not said with `--json` or `--quiet`. */
  note(text: string): void;
  /** What is being done, in detail: said with `--verbose` only, and never with `--json`. */
  detail(text: string): void;
  /** What went wrong. */
  failed(failure: Failure): void;
}

export interface OutputSettings {
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
  /** False: `--no-color`. */
  readonly color?: boolean;
}

export function openOutput(settings: OutputSettings): Output {
  const { json = false, quiet = false, verbose = false, color = true } = settings;
  const write = openStreams(color);
  return {
    json,
    quiet,
    color,
    width: process.stdout.isTTY ? process.stdout.columns : null,
    result: (text, data) => (json ? write.raw(`${visibleJson(data)}\n`) : write.out(`${text}\n`)),
    async rows(lines) {
      for await (const { text } of lines) {
        // Data is not folded; but what is in it may not act on a terminal.
        if (!write.raw(process.stdout.isTTY ? visible(text) : text)) await drained();
        if (write.unread()) return;
      }
    },
    event: (event, data) => {
      if (json) write.raw(`${visibleJson({ event, ...data })}\n`);
    },
    note: (text) => {
      if (!json && !quiet) write.err(`${text}\n`);
    },
    detail: (text) => {
      if (!json && !quiet && verbose) write.err(`${paint('faint', text)}\n`);
    },
    failed: (failure) => {
      if (json) write.raw(`${visibleJson({ event: 'error', error: failure.toJSON() })}\n`);
      else
        write.err(
          `${[`${paint('bad', failure.code)}: ${failure.message}`, ...belowMessage(failure)].join('\n')}\n`,
        );
    },
  };
}

/**
 * Says what went wrong in at most three lines (what, where, what to do), below them the table of a failure that has one,
 * and returns the exit code.
 */
export function reportFailure(error: unknown, output: Output): number {
  const failure = asFailure(error);
  output.failed(failure);
  if (failure.code === 'INTERNAL' && process.env.BATCHWRIGHT_DEBUG !== undefined)
    console.error(visible(error instanceof Error ? (error.stack ?? error.message) : String(error)));
  return exitCodeOf(failure.code);
}

/** What stands below a failure's sentence, line by line. */
export function belowMessage({ next, details = [] }: Pick<FailureReport, 'next' | 'details'>): string[] {
  return [`  ${next}`, ...(details.length === 0 ? [] : ['', ...details.map((line) => `  ${line}`)])];
}

interface Streams {
  out(text: string): void;
  err(text: string): void;
  /** False: wait for `drain` before writing more. */
  raw(text: string): boolean;
  /** Whoever read standard output has gone. */
  unread(): boolean;
}

/** Streams of the process that nobody reads any more. */
const gone = new WeakSet<NodeJS.WriteStream>();

function openStreams(flag: boolean): Streams {
  const { stdout, stderr } = process;
  // `batchwright jobs | head -1`: whoever read has had enough. That is no error, and a job goes on.
  for (const stream of [stdout, stderr]) {
    if (stream.listenerCount('error') > 0) continue;
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
      gone.add(stream);
    });
  }
  const colors = (stream: NodeJS.WriteStream) =>
    usesColor({ isTerminal: stream.isTTY === true, flag, environment: process.env });
  return {
    out: (text) => void stdout.write(render(fitting(stdout, text), colors(stdout))),
    err: (text) => void stderr.write(render(fitting(stderr, text), colors(stderr))),
    raw: (text) => gone.has(stdout) || stdout.write(text),
    unread: () => gone.has(stdout),
  };
}

function fitting(stream: NodeJS.WriteStream, text: string): string {
  return stream.isTTY ? wrapLines(text, stream.columns) : text;
}

function drained(): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      process.stdout.off('drain', done);
      process.stdout.off('error', done);
      process.stdout.off('close', done);
      resolve();
    };
    process.stdout.on('drain', done);
    process.stdout.on('error', done);
    process.stdout.on('close', done);
  });
}
