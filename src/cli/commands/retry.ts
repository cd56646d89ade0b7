import { resolve } from 'node:path';
import { Command, Option } from 'commander';
import type { BatchClient } from '../../client/batch-client.ts';
import { RETRY_MODES, type RetryMode } from '../../core/retry.ts';
import {
  configOption,
  finish,
  type StateOptions,
  stateOption,
  withCommonOptions,
} from '../common-options.ts';
import { findConfigFile } from '../find-config-file.ts';
import { findJob, JOB_ARGUMENT } from '../find-job.ts';
import { followJob } from '../follow-job.ts';
import { examples, withHelp } from '../help.ts';
import type { Output } from '../output.ts';
import { collect } from '../parse-options.ts';
import { remoteServer, serverOption } from '../remote-server.ts';

interface RetryOptions extends StateOptions {
  readonly mode?: RetryMode;
  readonly repaired: readonly string[];
  readonly errorBudget?: string;
  readonly config?: string;
  readonly server?: string;
}

export function retryCommand(): Command {
  const command = new Command('retry')
    .summary('try a job that has ended again')
    .description(
      'Tries a job that has ended again, as a new job whose result takes the place of the old one in one step. In part: only rows that were rejected or never scored, with the same model, published together with what was scored before. Completely: the same specification again.',
    )
    .argument('<job>', JOB_ARGUMENT)
    .addOption(
      new Option(
        '--mode <mode>',
        'how much is scored again (default: partial, or complete where the job has scored nothing)',
      ).choices(RETRY_MODES),
    )
    .addOption(
      new Option(
        '--repaired <file>',
        'repaired records, as `batchwright rejects --to` exports them: only these are scored; can be repeated',
      )
        .argParser(collect)
        .default([], 'the rejected records as they are'),
    )
    .addOption(
      new Option(
        '--error-budget <count|percent>',
        'rejected records that the whole result may have (default: as many as the job that is tried again)',
      ),
    )
    .addOption(configOption())
    .addOption(stateOption())
    .addOption(serverOption());
  return withHelp(
    withCommonOptions(command),
    examples(
      ['Export what was rejected, and correct it', 'batchwright rejects latest --to repair.csv'],
      ['Score the corrected records; all others stay', 'batchwright retry latest --repaired repair.csv'],
      ['Everything again', 'batchwright retry job-3f2a --mode complete'],
    ),
  ).action((job: string, options: RetryOptions) =>
    finish(options, async (output) => {
      if (options.server === undefined)
        return followJob(
          options.state,
          (client) => retry(client, job, options, output),
          output,
          findConfigFile(options.config),
        );
      const { watchRemote } = await import('../watch-remote.ts');
      const server = remoteServer(options.server);
      return watchRemote(server, await retry(server.client, job, options, output), output);
    }),
  );
}

async function retry(
  client: BatchClient,
  wanted: string,
  { mode, repaired, errorBudget }: RetryOptions,
  output: Output,
): Promise<string> {
  const { job_id: of } = await findJob(client, wanted);
  const { job_id: jobId, resumed } = await client.retry(of, {
    ...(mode === undefined ? {} : { mode }),
    repaired: repaired.map((file) => resolve(file)),
    ...(errorBudget === undefined
      ? {}
      : { error_budget: /^\d+$/.test(errorBudget) ? Number(errorBudget) : errorBudget }),
  });
  output.event(resumed ? 'resumed' : 'submitted', { job_id: jobId });
  output.note(
    resumed ? `Going on with the unfinished retry ${jobId}` : `Submitted ${jobId}, a retry of ${of}`,
  );
  return jobId;
}
