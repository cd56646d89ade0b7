import { Command } from 'commander';
import { finish, type StateOptions, stateOption, withCommonOptions } from '../common-options.ts';
import { look } from '../connect.ts';
import { findJob, JOB_ARGUMENT } from '../find-job.ts';
import { examples, withHelp } from '../help.ts';
import type { Output } from '../output.ts';

export function cancelCommand(): Command {
  const command = new Command('cancel')
    .summary('end an unfinished job; nothing of it is published')
    .description(
      'Ends an unfinished job. Its destination stays as it was. A job that is being published already can no longer be cancelled.',
    )
    .argument('<job>', JOB_ARGUMENT)
    .addOption(stateOption());
  return withHelp(
    withCommonOptions(command),
    examples(
      ['The one started last', 'batchwright cancel latest'],
      ['By the beginning of its id', 'batchwright cancel job-3f2a'],
    ),
  ).action((job: string, options: StateOptions) =>
    finish(options, (output) => cancel(job, options.state, output)),
  );
}

async function cancel(wanted: string, state: string, output: Output): Promise<number> {
  const { client, close } = await look(state);
  try {
    const { job_id: jobId } = await findJob(client, wanted);
    const status = await client.cancel(jobId);
    output.result(`${jobId} "${status.name}" is cancelled. The destination was not touched.`, {
      job: status,
    });
    return 0;
  } finally {
    await close();
  }
}
