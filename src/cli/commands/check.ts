import { Command, InvalidArgumentError, Option } from 'commander';
import { failureFromReport } from '../../core/errors.ts';
import { exitCodeOf } from '../../core/exit-codes.ts';
import type { FlagValues } from '../../spec/flags.ts';
import {
  configOption,
  finish,
  type StateOptions,
  stateOption,
  withCommonOptions,
} from '../common-options.ts';
import { findConfigFile } from '../find-config-file.ts';
import { examples, withHelp } from '../help.ts';
import { INTERRUPTED } from '../interrupts.ts';
import { BEHAVIOUR, flagValues, jobOptions } from '../job-options.ts';
import type { Output } from '../output.ts';
import { readJob } from '../read-job-file.ts';

interface CheckFlags extends StateOptions {
  readonly fresh: boolean;
  readonly adopt: boolean;
  readonly config?: string;
  readonly sample: number;
  readonly full: boolean;
  readonly [flag: string]: unknown;
}

const DEFAULT_SAMPLE = 1_000;
const MOST_SAMPLED = 100_000;

export function checkCommand(): Command {
  const command = new Command('check')
    .summary('whether a job would work, and how long it would take; writes nothing')
    .description(
      'Looks at everything that `run` would meet, with the same job file and flags: model, columns of all files, key, destination, unfinished jobs. Scores a sample in a process of its own, as a worker would: which rows would be rejected, what the predictions look like, how long the job would take. Writes nothing.',
    )
    .argument('[job-file]', 'job specification, YAML or JSON');
  for (const option of jobOptions()) command.addOption(option);
  command
    .addOption(
      new Option('--sample <rows>', 'rows to score')
        .default(DEFAULT_SAMPLE)
        .argParser(sampleSize)
        .helpGroup(BEHAVIOUR),
    )
    .addOption(
      new Option('--full', 'read CSV and JSON Lines to their ends, however large they are')
        .default(false)
        .helpGroup(BEHAVIOUR),
    )
    .addOption(
      new Option('--fresh', 'as `run --fresh`: leave an unfinished job aside')
        .default(false)
        .helpGroup(BEHAVIOUR),
    )
    .addOption(
      new Option('--adopt', 'as `run --adopt`: a folder that Batchwright did not write is fine')
        .default(false)
        .helpGroup(BEHAVIOUR),
    )
    .addOption(configOption().helpGroup(BEHAVIOUR))
    .addOption(stateOption().helpGroup(BEHAVIOUR));
  withCommonOptions(command);
  withHelp(
    command,
    examples(
      ['Before the first run', 'batchwright check job.yaml'],
      ['With more rows, for rare rejects', 'batchwright check job.yaml --sample 50000'],
      ['In a script', 'batchwright check job.yaml --json'],
    ),
  );
  return command.action(async (jobFile: string | undefined, options: CheckFlags) =>
    finish(options, (output) => check(jobFile, flagValues(command, options), options, output)),
  );
}

function sampleSize(text: string): number {
  const rows = Number(text);
  if (/^\d+$/.test(text) && rows >= 1 && rows <= MOST_SAMPLED) return rows;
  throw new InvalidArgumentError(`${text} is not a number of rows from 1 to ${MOST_SAMPLED}.`);
}

async function check(
  jobFile: string | undefined,
  flags: FlagValues,
  { state, fresh, adopt, sample, full, config: named }: CheckFlags,
  output: Output,
): Promise<number> {
  const spec = await readJob(jobFile, flags);
  const { checkJob } = await import('../check/check-job.ts');
  const { checkReport } = await import('../check/check-report.ts');
  const { scratchFolder } = await import('../scratch-folder.ts');
  const stop = new AbortController();
  const scratch = scratchFolder();
  const interrupted = () => {
    // The sampling process ends with this one, and has written nowhere but there.
    stop.abort();
    scratch.remove();
    process.exit(INTERRUPTED);
  };
  process.on('SIGINT', interrupted);
  process.on('SIGTERM', interrupted);
  try {
    const doing = (what: string) => output.detail(`${what} ...`);
    const config = findConfigFile(named, jobFile);
    const options = { state, fresh, adopt, sample, full, config, scratch: scratch.path, doing };
    const result = await checkJob(spec, options, stop.signal);
    output.result(checkReport(result, runLine(process.argv.slice(2))), result);
    const [first] = result.problems;
    return first === undefined ? 0 : exitCodeOf(failureFromReport(first).code);
  } finally {
    process.off('SIGINT', interrupted);
    process.off('SIGTERM', interrupted);
    scratch.remove();
  }
}

/** The same command line, for `run`. */
function runLine(args: readonly string[]): string {
  const kept: string[] = [];
  for (let at = 0; at < args.length; at += 1) {
    const arg = args[at] ?? '';
    if (/^(check|--full|--json|--sample=.*)$/.test(arg)) continue;
    if (arg === '--sample') at += 1;
    else kept.push(/^[\w./:@%=,+-]+$/.test(arg) ? arg : `'${arg.replaceAll("'", "'\\''")}'`);
  }
  return ['batchwright run', ...kept].join(' ');
}
