import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { expect } from 'vitest';
import type { ErrorCode } from '../../src/core/error-codes.ts';
import type { FailureReport } from '../../src/core/errors.ts';
import type { JobStatus } from '../../src/core/wire.ts';
import { type CliResult, type RunningCli, runCli, startCli } from './cli.ts';

/** A folder of one test file, in which each test takes a bench of its own: a folder with a state and a destination. */
export interface Workshop {
  readonly home: string;
  bench(name: string): Bench;
  remove(): void;
}

export interface Bench {
  readonly folder: string;
  /** The destination, absolute. */
  readonly out: string;
  /** `batchwright run --json` with these flags over the defaults; a null leaves a default out, true is a switch. */
  run(flags: Flags, extra?: RunExtra): Promise<CliResult>;
  start(flags: Flags, extra?: RunExtra): RunningCli;
  cli(args: readonly string[]): Promise<CliResult>;
}

export type Flags = Readonly<Record<string, string | true | null>>;

export interface RunExtra {
  /** Job file, before the flags. */
  readonly file?: string;
  readonly env?: Record<string, string>;
  /** A command that starts the command line, as `setpriv ...`. */
  readonly under?: readonly string[];
}

/** `defaults` stand beside `--output out`, `--state state` and one worker. */
export function workshop(name: string, defaults: Flags): Workshop {
  const home = mkdtempSync(join(tmpdir(), `batchwright-${name}-`));
  return {
    home,
    bench(bench) {
      const folder = join(home, bench);
      mkdirSync(folder);
      const args = (flags: Flags, file?: string) => [
        'run',
        ...(file === undefined ? [] : [file]),
        ...Object.entries({
          json: true,
          state: 'state',
          output: 'out',
          parallelism: '1',
          ...defaults,
          ...flags,
        } as Flags).flatMap(([flag, value]) =>
          value === null ? [] : value === true ? [`--${flag}`] : [`--${flag}`, value],
        ),
      ];
      return {
        folder,
        out: join(folder, 'out'),
        run: (flags, extra = {}) => startCli(args(flags, extra.file), folder, extra.env, extra.under).ended,
        start: (flags, extra = {}) => startCli(args(flags, extra.file), folder, extra.env, extra.under),
        cli: (rest) => runCli(rest, folder),
      };
    },
    remove: () => rmSync(home, { recursive: true, force: true }),
  };
}

export interface Refusal {
  readonly exit: number;
  readonly code: ErrorCode;
  /** What the sentence, its place or the next step must name. */
  readonly names: readonly (string | RegExp)[];
}

/** The command ended as it should: exit code, code, a sentence that helps, no trace of our insides, no signal. */
export function expectRefused(result: CliResult, { exit, code, names }: Refusal): FailureReport {
  expect(result.signal).toBeNull();
  expect(result.stderr).toBe('');
  const error = errorOf(result);
  expect(`${error.code} ${result.code}: ${error.message}`).toMatch(new RegExp(`^${code} ${exit}: `));
  const said = [
    error.message,
    error.next,
    ...Object.values(error.place),
    ...(error.problems ?? []).map(({ message }) => message),
  ].join('\n');
  for (const name of names) expect(said).toMatch(typeof name === 'string' ? literally(name) : name);
  expect(error.next).not.toBe('');
  expect(result.stdout).not.toMatch(/\\n\s+at |node_modules|\.ts:\d+/);
  return error;
}

/** The error in the last line that a command said. */
export function errorOf(result: CliResult): FailureReport {
  const last = result.events.at(-1) as { error?: FailureReport; job?: JobStatus } | undefined;
  const error = last?.error ?? last?.job?.error;
  if (error === undefined || error === null)
    throw new Error(`no error in:\n${result.stdout}${result.stderr}`);
  return error;
}

/** The job of a command that completed. */
export function expectCompleted(result: CliResult): JobStatus {
  expect(result.stderr).toBe('');
  const last = result.events.at(-1) as { event: string; job: JobStatus };
  expect({ code: result.code, ...last, job: undefined, error: last.job?.error }).toMatchObject({
    code: 0,
    event: 'completed',
    error: null,
  });
  return last.job;
}

/** Nothing to see at a destination, nor hidden beside it. */
export function expectNothingAt(out: string): void {
  expect(existsSync(out)).toBe(false);
  expect(besideOf(out)).toEqual([]);
}

/** Hidden names that publishing puts beside a destination. */
export function besideOf(out: string): string[] {
  if (!existsSync(dirname(out))) return [];
  return readdirSync(dirname(out)).filter((name) => name.startsWith(`.${basename(out)}.`));
}

/** Resolves when the command has printed an event of which `when` is true; fails when it ends before. */
export function eventOf(
  running: RunningCli,
  when: (event: { event: string; job?: JobStatus; job_id?: string }) => boolean,
): Promise<{ job_id?: string; job?: JobStatus }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ job_id?: string; job?: JobStatus }>();
  let line = '';
  running.child.stdout?.on('data', (chunk: Buffer) => {
    const lines = (line + chunk.toString()).split('\n');
    line = lines.pop() ?? '';
    const found = lines.map((text) => JSON.parse(text)).find(when);
    if (found !== undefined) resolve(found);
  });
  running.ended.then(({ stdout, stderr }) => reject(new Error(`ended before:\n${stdout}${stderr}`)), reject);
  return promise;
}

function literally(text: string): RegExp {
  return new RegExp(text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
}
