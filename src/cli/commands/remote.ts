import { Command, Option } from 'commander';
import { type CommonOptions, finish, withCommonOptions } from '../common-options.ts';
import { findJob, JOB_ARGUMENT } from '../find-job.ts';
import { examples, withHelp } from '../help.ts';
import { serverOption } from '../remote-server.ts';
import { systemClock, systemRandom } from '../system-ports.ts';

interface RemoteOptions extends CommonOptions {
  readonly server: string;
}

/** `submit`, `status`, `watch`: jobs of a server. */
export function remoteCommands(): Command[] {
  return [submitCommand(), statusCommand(), watchCommand()];
}

function submitCommand(): Command {
  const command = new Command('submit')
    .summary('submit a job to a server')
    .description(
      'Submits a job to a server, which reads and writes where it runs: relative paths start at the first folder of your tenant there.',
    )
    .argument('<job-file>', 'job specification, YAML or JSON')
    .addOption(serverOption().makeOptionMandatory())
    .addOption(new Option('--watch', 'show its course, as `batchwright watch` does').default(false))
    .addOption(new Option('--idempotency-key <key>', 'the same key again is the same job'));
  return withHelp(
    withCommonOptions(command),
    examples(['And wait for its end', 'batchwright submit job.yaml --server https://batch:8372 --watch']),
  ).action(
    (file: string, options: RemoteOptions & { readonly watch: boolean; readonly idempotencyKey?: string }) =>
      finish(options, async (output) => {
        const { remoteServer } = await import('../remote-server.ts');
        const { readJobFile } = await import('../read-job-file.ts');
        const { readSpecDocument } = await import('../../spec/spec-document.ts');
        const server = remoteServer(options.server);
        const spec = readSpecDocument(readJobFile(file).text, file).value;
        const answer = await server.client.submit(spec, {
          requestId: Buffer.from(systemRandom.bytes(12)).toString('hex'),
          fresh: false,
          adopt: false,
          ...(options.idempotencyKey === undefined ? {} : { idempotencyKey: options.idempotencyKey }),
        });
        if (!options.watch) {
          output.note(answer.resumed ? 'Going on with the unfinished job' : 'Submitted');
          output.result(answer.job_id, answer);
          return 0;
        }
        output.event(answer.resumed ? 'resumed' : 'submitted', answer);
        const { watchRemote } = await import('../watch-remote.ts');
        return watchRemote(server, answer.job_id, output);
      }),
  );
}

function statusCommand(): Command {
  const command = new Command('status')
    .summary('how a job of a server is doing')
    .description('Shows how a job of a server is doing.')
    .argument('[job]', JOB_ARGUMENT, 'latest')
    .addOption(serverOption().makeOptionMandatory());
  return withHelp(
    withCommonOptions(command),
    examples(['The latest', 'batchwright status --server https://batch:8372']),
  ).action((job: string, options: RemoteOptions) =>
    finish(options, async (output) => {
      const { remoteServer } = await import('../remote-server.ts');
      const { jobReport } = await import('../job-report.ts');
      const status = await findJob(remoteServer(options.server).client, job);
      output.result(jobReport(status, { peakMemoryBytes: null, nowMs: systemClock.nowMs() }), {
        job: status,
      });
      return 0;
    }),
  );
}

function watchCommand(): Command {
  const command = new Command('watch')
    .summary('show the course of a job of a server to its end')
    .description(
      'Shows the course of a job of a server to its end, and exits as `batchwright run` would. Ctrl-C ends the watching, not the job.',
    )
    .argument('[job]', JOB_ARGUMENT, 'latest')
    .addOption(serverOption().makeOptionMandatory());
  return withHelp(
    withCommonOptions(command),
    examples(['The latest', 'batchwright watch --server https://batch:8372']),
  ).action((job: string, options: RemoteOptions) =>
    finish(options, async (output) => {
      const { remoteServer } = await import('../remote-server.ts');
      const { watchRemote } = await import('../watch-remote.ts');
      const server = remoteServer(options.server);
      return watchRemote(server, (await findJob(server.client, job)).job_id, output);
    }),
  );
}
