import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { JobDetail } from '../core/wire.ts';
import { look } from './connect.ts';
import { withJob } from './find-job.ts';
import { type PublishedResult, publishedResults } from './published-result.ts';

/** What a command's `[job|folder]` may be, for its help. */
export const RESULT_ARGUMENT = 'a published folder; or id of a job, the beginning of one, or `latest`';

/** The results that are meant: those in a folder, or a job, whose files the caller looks for. */
export type FoundResult =
  | { readonly kind: 'folder'; readonly results: readonly PublishedResult[] }
  | { readonly kind: 'job'; readonly detail: JobDetail };

/** A folder of that name comes first. Fails with JOB_NOT_FOUND, VERIFY_NOT_A_RESULT. */
export async function findResult(wanted: string, state: string): Promise<FoundResult> {
  if (isFolder(wanted) || /[/\\]/.test(wanted))
    return { kind: 'folder', results: publishedResults(resolve(wanted)) };
  const { client, close } = await look(state);
  try {
    return { kind: 'job', detail: await withJob(client, wanted, client.detail) };
  } finally {
    await close();
  }
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}
