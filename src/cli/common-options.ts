import { type Command, Option } from 'commander';
import { type Output, openOutput, reportFailure } from './output.ts';

/** Options that every command has, beside its own. */
export interface CommonOptions {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly verbose: boolean;
  readonly color: boolean;
}

/** Of commands that talk to a manager. */
export interface StateOptions extends CommonOptions {
  readonly state: string;
}

export const COMMON = 'Common options:';

/** Adds them, in a group of their own at the end of the help. Call it after a command's own options. */
export function withCommonOptions(command: Command): Command {
  const options = [
    new Option('--json', 'one JSON object per line instead of text').default(false),
    new Option('-q, --quiet', 'results and errors only').default(false),
    new Option('-v, --verbose', 'also what is being done: paths, settings, times').default(false),
    new Option('--no-color', 'plain text, also on a terminal'),
  ];
  for (const option of options) command.addOption(option.helpGroup(COMMON));
  return command;
}

export function stateOption(): Option {
  return new Option('--state <folder>', 'folder of the ledger, logs and workspaces').default(
    '.batchwright',
    '.batchwright',
  );
}

export function configOption(): Option {
  return new Option(
    '--config <file>',
    'where connections are declared (default: batchwright.yaml beside the job file, or here)',
  );
}

/** The action of a command: does the work, reports whatever it throws, sets the exit code that belongs to it. */
export async function finish(
  options: CommonOptions,
  work: (output: Output) => Promise<number>,
): Promise<void> {
  const output = openOutput(options);
  try {
    process.exitCode = await work(output);
  } catch (error) {
    process.exitCode = reportFailure(error, output);
  }
}
