import { Command } from 'commander';
import { finish, type StateOptions, stateOption, withCommonOptions } from '../common-options.ts';
import { look } from '../connect.ts';
import { JOB_ARGUMENT, withJob } from '../find-job.ts';
import { examples, withHelp } from '../help.ts';
import type { Output } from '../output.ts';
import { remoteServer, serverOption } from '../remote-server.ts';
import { oneLine } from '../visible-text.ts';

export function cancelCommand(): Command {
  const command = new Command('cancel')
    .summary('end an unfinished job; nothing of it is published')
    .description(
      'Ends an unfinished job. Its destination stays as it was. A job that is being published already can no longer be cancelled.',
    )
    .argument('<job>', JOB_ARGUMENT)
    .addOption(stateOption())
    .addOption(serverOption());
  return withHelp(
    withCommonOptions(command),
    examples(
      ['The one started last', 'batchwright cancel latest'],
      ['By the beginning of its id', 'batchwright cancel job-3f2a'],
    ),
  ).action((job: string, options: StateOptions & { readonly server?: string }) =>
    finish(options, (output) => cancel(job, options, output)),
  );
}

async function cancel(
  wanted: string,
  { state, server }: { readonly state: string; readonly server?: string },
  output: Output,
): Promise<number> {
  const { client, close } =
    server === undefined ? await look(state) : { ...remoteServer(server), close: async () => {} };
  try {
    const job = await withJob(client, wanted, client.cancel);
    output.result(`${job.job_id} "${oneLine(job.name)}" is cancelled. The destination was not touched.`, {
      job,
    });
    return 0;
  } finally {
    await close();
  }
}
