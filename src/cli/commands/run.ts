import { Command, Option } from 'commander';
import type { FlagValues } from '../../spec/flags.ts';
import { inputPlaces } from '../../spec/input-places.ts';
import {
  configOption,
  finish,
  type StateOptions,
  stateOption,
  withCommonOptions,
} from '../common-options.ts';
import { findConfigFile } from '../find-config-file.ts';
import { followJob } from '../follow-job.ts';
import { examples, withHelp } from '../help.ts';
import { BEHAVIOUR, flagValues, jobOptions } from '../job-options.ts';
import type { Output } from '../output.ts';
import { readJob } from '../read-job-file.ts';
import { systemRandom } from '../system-ports.ts';

interface RunFlags extends StateOptions {
  readonly fresh: boolean;
  readonly adopt: boolean;
  readonly config?: string;
  readonly [flag: string]: unknown;
}

export function runCommand(): Command {
  const command = new Command('run')
    .summary('score a table with a model and publish the result')
    .description(
      'Scores a table with a model and publishes the result: complete, or not at all. What to do stands in a job file, in flags, or in both: flags override the file. An unfinished job with the same model, input and output goes on with the rows that are left.',
    )
    .argument('[job-file]', 'job specification, YAML or JSON');
  for (const option of jobOptions()) command.addOption(option);
  command
    .addOption(
      new Option('--fresh', 'give up an unfinished job of the same kind and start over')
        .default(false)
        .helpGroup(BEHAVIOUR),
    )
    .addOption(
      new Option('--adopt', 'publish into a folder that Batchwright did not write')
        .default(false)
        .helpGroup(BEHAVIOUR),
    )
    .addOption(configOption().helpGroup(BEHAVIOUR))
    .addOption(stateOption().helpGroup(BEHAVIOUR));
  withCommonOptions(command);
  withHelp(
    command,
    examples(
      ['Score as a job file says', 'batchwright run job.yaml'],
      ['Without a file', "batchwright run --model m.onnx --input 'in/*.parquet' --output out/ --key id"],
      [
        'The file, but another output and up to 1 % of rejects',
        'batchwright run job.yaml --output out/ --error-budget 1%',
      ],
    ),
    {
      title: 'While it runs:',
      items: [
        ['Ctrl-C', 'finishes the batches in hand and keeps the job; `batchwright resume` goes on with it'],
        ['Ctrl-C twice', 'ends everything at once; only the shards under way are scored again'],
      ],
    },
  );
  return command.action(async (jobFile: string | undefined, options: RunFlags) =>
    finish(options, (output) => run(jobFile, flagValues(command, options), options, output)),
  );
}

async function run(
  jobFile: string | undefined,
  flags: FlagValues,
  { state, fresh, adopt, config: named }: RunFlags,
  output: Output,
): Promise<number> {
  const spec = await readJob(jobFile, flags);
  const config = findConfigFile(named, jobFile);
  if (spec.input.connection !== undefined || spec.input.side_inputs !== undefined) {
    const { requireConnections } = await import('../config-file.ts');
    requireConnections(spec.input, config);
  }
  output.detail(`model      ${spec.model_id}`);
  for (const place of inputPlaces(spec.input)) output.detail(`input      ${place}`);
  output.detail(`output     ${spec.output.path} (mode ${spec.output.mode})`);
  const requestId = Buffer.from(systemRandom.bytes(12)).toString('hex');
  return followJob(
    state,
    async (client) => {
      const { job_id: jobId, resumed } = await client.submit(spec, { requestId, fresh, adopt });
      output.event(resumed ? 'resumed' : 'submitted', { job_id: jobId });
      output.note(`${resumed ? 'Going on with the unfinished' : 'Submitted'} ${jobId} "${spec.name}"`);
      output.detail(`state      ${state}, log of the job in logs/${jobId}.log`);
      return jobId;
    },
    output,
    config,
  );
}
