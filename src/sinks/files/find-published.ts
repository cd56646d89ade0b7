import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { PublishedInput } from '../../core/lease.ts';
import { MANIFEST_FILE } from '../../core/manifest.ts';
import { isAbsent } from '../../storage/fs-failure.ts';
import type { SinkJob } from '../sink.ts';
import { beside, type Destination } from './destination.ts';
import { readPublishedManifest } from './published-manifest.ts';

/** The folder that a job's files are published in: the destination, or with `append` a sub-folder of its own. */
export function publishedFolder(folder: string, { jobId, spec }: SinkJob): string {
  return spec.output.mode === 'append' ? join(folder, jobId) : folder;
}

/**
 * The result of this job if it was ever published: at the destination, or in a replaced output beside it, where another
 * job has put it before this one could tell its ledger.
 */
export async function findPublished(to: Destination, job: SinkJob): Promise<PublishedInput | null> {
  for (const folder of [to.path, ...(await replacedOutputs(to))]) {
    const found = await readPublishedManifest(join(publishedFolder(folder, job), MANIFEST_FILE));
    if (found === null || found === 'foreign' || found.jobId !== job.jobId) continue;
    const location = publishedFolder(to.path, job);
    return { location, manifest: join(location, MANIFEST_FILE), manifestSha256: found.sha256 };
  }
  return null;
}

async function replacedOutputs(to: Destination): Promise<string[]> {
  try {
    const prefix = `${beside.prefix(to)}old-`;
    return (await readdir(to.parent))
      .filter((name) => name.startsWith(prefix))
      .map((name) => join(to.parent, name));
  } catch (error) {
    if (isAbsent(error)) return [];
    throw error;
  }
}
