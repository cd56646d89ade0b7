import { Command, CommanderError } from 'commander';
import { Failure } from '../core/errors.ts';
import { nearest } from '../core/nearest.ts';
import { cancelCommand } from './commands/cancel.ts';
import { checkCommand } from './commands/check.ts';
import { completionCommand } from './commands/completion.ts';
import { connectionCommand } from './commands/connection.ts';
import { explainCommand } from './commands/explain.ts';
import { initCommand } from './commands/init.ts';
import { jobsCommand } from './commands/jobs.ts';
import { keyCommand } from './commands/key.ts';
import { modelCommand } from './commands/model.ts';
import { rejectsCommand } from './commands/rejects.ts';
import { remoteCommands } from './commands/remote.ts';
import { resultsCommand } from './commands/results.ts';
import { resumeCommand } from './commands/resume.ts';
import { retryCommand } from './commands/retry.ts';
import { runCommand } from './commands/run.ts';
import { serveCommand } from './commands/serve.ts';
import { showCommand } from './commands/show.ts';
import { verifyCommand } from './commands/verify.ts';
import { workerCommand } from './commands/worker-by-hand.ts';
import { COMMON } from './common-options.ts';
import { configureHelp, ENVIRONMENT_SECTION, EXIT_SECTION, examples, withHelp } from './help.ts';
import { openOutput, reportFailure } from './output.ts';
import { version } from './version.ts';

/**
 * The command line for people. Each command is a file of `commands/` that gives its definition; what it needs to do its
 * work is loaded when it is asked to (`start-up.test.ts`). docs/commands.md is made from it.
 */
export const program = new Command('batchwright')
  .description(
    'Batch inference with jobs: every input row is scored or rejected with a reason, once, and you can prove it.',
  )
  .optionsGroup(COMMON)
  .version(version(), '-V, --version', 'show the version')
  .addHelpCommand(
    new Command('help [command]')
      .summary('what a command does, its options, examples')
      .helpOption(false)
      .helpGroup('Help:'),
  )
  .exitOverride();
configureHelp(program);
// What is wrong with a command line is reported below, as all errors are.
program.configureOutput({ outputError: () => {} });
withHelp(
  program,
  examples(
    ['Would it work, and how long would it take?', 'batchwright check job.yaml'],
    ['Score a table as a job file says, then look at the result', 'batchwright run job.yaml'],
    [
      'The same without a file',
      "batchwright run --model m.onnx --input 'in/*.parquet' --output out/ --key id",
    ],
    ['Go on after Ctrl-C, a kill or a power cut', 'batchwright resume'],
    ['What became of the job, and why rows were rejected', 'batchwright show'],
    ['Prove that the result is what was published', 'batchwright verify out/'],
  ),
  EXIT_SECTION,
  ENVIRONMENT_SECTION,
);

const GROUPS: readonly (readonly [title: string, commands: readonly Command[]])[] = [
  [
    'Jobs:',
    [
      initCommand(),
      checkCommand(),
      runCommand(),
      resumeCommand(),
      retryCommand(),
      jobsCommand(),
      showCommand(),
      cancelCommand(),
    ],
  ],
  ['Results:', [resultsCommand(), rejectsCommand(), verifyCommand()]],
  ['Models:', [modelCommand()]],
  ['Databases:', [connectionCommand()]],
  ['Server:', [serveCommand(), keyCommand(), ...remoteCommands()]],
  ['Help:', [explainCommand(), completionCommand(program)]],
  ['Other machines:', [workerCommand()]],
];
for (const [title, commands] of GROUPS) {
  for (const command of commands) {
    program.addCommand(inheriting(command, program).helpGroup(title));
  }
}

/** Does what the process was started for, and sets its exit code. */
export async function runCommandLine(): Promise<void> {
  try {
    refuseUnknownTopic(process.argv.slice(2));
    await program.parseAsync();
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    const shown = error.code.startsWith('commander.help') || error.code === 'commander.version';
    if (!shown) reportFailure(usageFailure(error), openOutput({ json: process.argv.includes('--json') }));
    process.exitCode = error.exitCode === 0 ? 0 : 2;
  }
}

/** With the looks and the manners of its parent, as have the commands below it. */
function inheriting(command: Command, parent: Command): Command {
  command.copyInheritedSettings(parent);
  for (const each of command.commands) inheriting(each, command);
  return command;
}

/** `help nonsense` would show the help of everything. */
function refuseUnknownTopic([command, topic]: readonly string[]): void {
  if (command !== 'help' || topic === undefined || topic.startsWith('-')) return;
  const names = program.commands.map((each) => each.name());
  if (topic === 'help' || names.includes(topic)) return;
  const near = nearest(topic, names);
  const hint = near === undefined ? '' : `\n(Did you mean ${near}?)`;
  throw new CommanderError(2, 'usage', `error: unknown command '${topic}'${hint}`);
}

/** Commander's message, `error: unknown option '--inptu'\n(Did you mean --input?)`, as one of our sentences. */
function usageFailure({ message }: CommanderError): Failure {
  const [first = '', ...rest] = message
    .replace(/^error: /, '')
    // What a parser of ours says names the value already.
    .replace(/^option '(?:-\w, )?(--[\w-]+)[^']*' argument .* is invalid\. /s, '$1: ')
    .split('\n');
  const sentence = `${first.charAt(0).toUpperCase()}${first.slice(1)}${/[.?]$/.test(first) ? '' : '.'}`;
  const hint = rest.join(' ').replace(/^\((.*)\)$/, '$1');
  const name = process.argv[2] ?? '';
  const command = program.commands.some((each) => each.name() === name) ? ` ${name}` : '';
  return new Failure('USAGE', hint === '' ? sentence : `${sentence} ${hint}`, {
    next: `batchwright${command} --help`,
  });
}
