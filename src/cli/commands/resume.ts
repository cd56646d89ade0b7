import { Command } from 'commander';
import type { BatchClient } from '../../client/batch-client.ts';
import { Failure } from '../../core/errors.ts';
import { isTerminal, JOB_STATES } from '../../core/states.ts';
import {
  configOption,
  finish,
  type StateOptions,
  stateOption,
  withCommonOptions,
} from '../common-options.ts';
import { look } from '../connect.ts';
import { findConfigFile } from '../find-config-file.ts';
import { findJob, JOB_ARGUMENT } from '../find-job.ts';
import { followJob } from '../follow-job.ts';
import { counted } from '../format.ts';
import { examples, withHelp } from '../help.ts';
import type { Output } from '../output.ts';

export function resumeCommand(): Command {
  const command = new Command('resume')
    .summary('go on with an unfinished job')
    .description(
      'Goes on with a job that was interrupted, killed or cut off, with the settings it was submitted with; rows that are scored stay scored. Without a job: the only unfinished one.',
    )
    .argument('[job]', JOB_ARGUMENT)
    .addOption(configOption())
    .addOption(stateOption());
  return withHelp(
    withCommonOptions(command),
    examples(
      ['After Ctrl-C or a power cut', 'batchwright resume'],
      ['One of several', 'batchwright resume job-3f2a'],
    ),
  ).action((job: string | undefined, options: StateOptions & { config?: string }) =>
    finish(options, async (output) => {
      // Looks first: where nothing is to be done, no manager is started.
      const jobId = await unfinishedJob(job, options.state);
      const config = findConfigFile(options.config);
      return followJob(options.state, (client) => resume(client, jobId, output), output, config);
    }),
  );
}

const UNFINISHED = JOB_STATES.filter((state) => !isTerminal(state));
const LISTED = 5;

async function unfinishedJob(wanted: string | undefined, state: string): Promise<string> {
  const { client, close } = await look(state);
  try {
    if (wanted !== undefined) {
      const job = await findJob(client, wanted);
      if (!isTerminal(job.status)) return job.job_id;
      throw new Failure('JOB_FINISHED', `Job ${job.job_id} has ended already: it is ${job.status}.`, {
        next: `batchwright show ${job.job_id}; to score the rows again, run the job again.`,
      });
    }
    const jobs = await client.list({ states: UNFINISHED, limit: LISTED + 1 });
    const [only] = jobs;
    if (only === undefined) {
      throw new Failure('JOB_NOT_FOUND', 'There is no unfinished job.', {
        next: '`batchwright jobs` lists all jobs.',
      });
    }
    if (jobs.length === 1) return only.job_id;
    const list = jobs
      .slice(0, LISTED)
      .map(
        (job) => `\n  ${job.job_id}  ${job.status}, ${counted(job.counts.read, 'row')} done  "${job.name}"`,
      );
    throw new Failure(
      'USAGE',
      `Several jobs are unfinished:${list.join('')}${jobs.length > LISTED ? '\n  ...' : ''}`,
      {
        next: `Name the one to go on with: batchwright resume ${only.job_id}`,
      },
    );
  } finally {
    await close();
  }
}

async function resume(client: BatchClient, jobId: string, output: Output): Promise<string> {
  const job = await client.resume(jobId);
  output.event('resumed', { job_id: jobId });
  output.note(`Going on with ${jobId} "${job.name}", ${counted(job.counts.read, 'row')} done`);
  return jobId;
}
