import { Command, CommanderError, Option } from 'commander';
import { Failure } from '../core/errors.ts';
import { EXIT_CODES } from '../core/exit-codes.ts';
import { type FlagValues, JOB_FLAGS, jobSpecFromFlags } from '../spec/flags.ts';
import { openOutput, reportFailure } from './output.ts';
import { readJobFile } from './read-job-file.ts';
import { version } from './version.ts';

interface CommonOptions {
  readonly state: string;
  readonly json: boolean;
}

interface RunFlags extends CommonOptions {
  readonly fresh: boolean;
  readonly adopt: boolean;
  readonly [flag: string]: unknown;
}

const stateOption = new Option('--state <folder>', 'folder of the ledger, logs and workspaces').default(
  '.batchwright',
);
const jsonOption = new Option('--json', 'one JSON object per line instead of text').default(false);

const program = new Command('batchwright')
  .description(
    'Batch inference with jobs: every input row is scored or rejected with a reason, once, and you can prove it.',
  )
  .version(version())
  .showSuggestionAfterError()
  .showHelpAfterError('(batchwright --help lists the commands)')
  .addHelpText(
    'after',
    `
Examples:
  batchwright run job.yaml
  batchwright run --model m.onnx --input 'in/*.parquet' --output out/ --key id --features a,b,c
  batchwright verify out/

Exit codes:
${Object.entries(EXIT_CODES)
  .map(([code, meaning]) => `  ${code.padStart(3)}  ${meaning}`)
  .join('\n')}`,
  );
program.exitOverride();

const run = program
  .command('run')
  .description(
    'score a table with a model and publish the result; an unfinished job of the same kind goes on',
  )
  .argument('[job-file]', 'job specification, YAML or JSON; flags override its fields')
  .option('--fresh', 'give up an unfinished job of the same kind and start over', false)
  .option('--adopt', 'publish into a folder that Batchwright did not write', false)
  .addOption(stateOption)
  .addOption(jsonOption);
for (const { flag, value, kind, field, help } of JOB_FLAGS) {
  const option = new Option(value === undefined ? flag : `${flag} ${value}`, `${help} (${field})`);
  if (kind === 'paths' || kind === 'list' || kind === 'pairs') option.argParser(collect);
  run.addOption(option);
}
run.action(async (jobFile: string | undefined, options: RunFlags) => {
  const { runCommand } = await import('./commands/run.ts');
  await finish(options, async (output) => {
    const values = Object.fromEntries(
      run.options.map((option) => [option.long, options[option.attributeName()]]),
    );
    const spec = jobSpecFromFlags(
      values as FlagValues,
      process.cwd(),
      jobFile === undefined ? undefined : readJobFile(jobFile),
    );
    return runCommand({ spec, state: options.state, fresh: options.fresh, adopt: options.adopt }, output);
  });
});

program
  .command('show')
  .description('show a job: state, counts, times, where its output is')
  .argument('<job>')
  .addOption(stateOption)
  .addOption(jsonOption)
  .action(async (jobId: string, options: CommonOptions) => {
    const { showCommand } = await import('./commands/show.ts');
    await finish(options, (output) => showCommand(jobId, options.state, output));
  });

program
  .command('jobs')
  .description('list jobs, newest first')
  .option('--limit <count>', 'at most so many', '50')
  .addOption(stateOption)
  .addOption(jsonOption)
  .action(async (options: CommonOptions & { limit: string }) => {
    const { jobsCommand } = await import('./commands/jobs.ts');
    await finish(options, (output) => {
      const limit = Number(options.limit);
      if (!Number.isInteger(limit) || limit < 1 || limit > 1_000)
        throw new Failure('USAGE', '--limit takes a whole number from 1 to 1000.');
      return jobsCommand(limit, options.state, output);
    });
  });

program
  .command('cancel')
  .description('cancel an unfinished job; nothing of it will be published')
  .argument('<job>')
  .addOption(stateOption)
  .addOption(jsonOption)
  .action(async (jobId: string, options: CommonOptions) => {
    const { cancelCommand } = await import('./commands/cancel.ts');
    await finish(options, (output) => cancelCommand(jobId, options.state, output));
  });

program
  .command('verify')
  .description('check a published result against its signed manifest: every file, byte by byte')
  .argument('<folder>', 'the output of a completed job')
  .option('--key <file>', 'trust this public key (PEM) instead of your own')
  .addOption(jsonOption)
  .action(async (folder: string, options: { key?: string; json: boolean }) => {
    const { verifyCommand } = await import('./commands/verify.ts');
    await finish(options, (output) => verifyCommand(folder, options.key ?? null, output));
  });

program
  .command('worker')
  .description(
    'score shards for a manager (started by `run`, or by hand on another machine; token in BATCHWRIGHT_TOKEN)',
  )
  .requiredOption('--manager <url>', 'where the manager is')
  .requiredOption('--storage <folder>', "where the storage's root is on this machine")
  .action(async (options: { manager: string; storage: string }) => {
    const { workerCommand } = await import('./commands/worker.ts');
    await finish({ json: false }, () => workerCommand(options));
  });

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? 0 : 2;
}

/** Runs a command; whatever it throws is reported, with the exit code that belongs to it. */
async function finish(
  options: { readonly json: boolean },
  command: (output: ReturnType<typeof openOutput>) => Promise<number>,
): Promise<void> {
  const output = openOutput(options.json);
  try {
    process.exitCode = await command(output);
  } catch (error) {
    process.exitCode = reportFailure(error, output);
  }
}

function collect(value: string, before: string[] | undefined): string[] {
  return [...(before ?? []), value];
}
