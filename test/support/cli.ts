import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** From source, as in development. */
const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
/** As it is published; `npm run build` makes it. */
export const COMPILED = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

export interface CliResult {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Standard output, one JSON object per line, with `--json`. */
  readonly events: Record<string, unknown>[];
}

/** Starts the command line from source in a folder; `under`: a command that starts it, as `setpriv ...`. */
export function startCli(
  args: readonly string[],
  cwd: string,
  env: Record<string, string> = {},
  under: readonly string[] = [],
  main = MAIN,
): RunningCli {
  const [program = '', ...rest] = [...under, process.execPath, main, ...args];
  const child = spawn(program, rest, {
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, XDG_CONFIG_HOME: `${cwd}/.config`, ...env },
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const ended = once(child, 'close').then(([code, signal]) => ({
    code: code as number | null,
    signal: signal as string | null,
    stdout,
    stderr,
    events: stdout
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Record<string, unknown>),
  }));
  return { child, ended };
}

export interface RunningCli {
  readonly child: ChildProcess;
  readonly ended: Promise<CliResult>;
}

export function runCli(
  args: readonly string[],
  cwd: string,
  env: Record<string, string> = {},
): Promise<CliResult> {
  return startCli(args, cwd, env).ended;
}
