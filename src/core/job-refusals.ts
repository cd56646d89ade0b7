import { Failure } from './errors.ts';

/** There is no such job, or not for this tenant. */
export function unknownJob(jobId: string, hint = ''): Failure {
  return new Failure('JOB_NOT_FOUND', `There is no job ${jobId}.${hint}`, { place: { field: 'job_id' } });
}

/** What needs a job that has ended is asked of one that has not. */
export function jobUnfinished(jobId: string, state: string): Failure {
  return new Failure('JOB_UNFINISHED', `Job ${jobId} is ${state}: it can be gone on with.`, {
    next: `batchwright resume ${jobId}`,
  });
}

/** Another unfinished job, the `holder`, has the destination. */
export function destinationBusy(
  holder: { readonly jobId: string; readonly name: string },
  destination: string,
): Failure {
  return new Failure(
    'DESTINATION_BUSY',
    `Job ${holder.jobId} ("${holder.name}") is unfinished and writes to ${destination}.`,
    {
      place: { field: 'output.path', file: destination },
      next: `Wait for it, or: batchwright cancel ${holder.jobId}`,
    },
  );
}
