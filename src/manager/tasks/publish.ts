import type { PublishedInput, StoredFile } from '../../core/lease.ts';
import type { ManifestFile } from '../../core/manifest.ts';
import { wholeFiles } from '../../core/retry.ts';
import type { TaskWork } from '../../core/wire.ts';
import type { DataEngine } from '../../data/engine.ts';
import type { Sink } from '../../sinks/sink.ts';
import type { JobSpec } from '../../spec/job-spec.ts';
import type { Storage } from '../../storage/storage.ts';
import { outputSchema } from './output-schema.ts';
import { OutcomeUnknown } from './task-loop.ts';

export interface PublishDeps {
  readonly storage: Storage;
  readonly engine: DataEngine;
  readonly sink: Sink;
  /** The signed manifest of the files as they will be published. */
  readonly manifest: (files: readonly ManifestFile[]) => Promise<Uint8Array>;
}

/** Makes the accepted parts visible, all at once. Safe to repeat: what is published already is found and left. */
export async function publish(
  { job, lease }: TaskWork,
  deps: PublishDeps,
  signal: AbortSignal,
): Promise<PublishedInput> {
  const { pinned } = job;
  if (pinned === null) throw new Error('a job is published after it was pinned');
  const whole = { jobId: job.jobId, parts: pinned.parts, base: job.retry?.base ?? null };
  const parts = wholeFiles('parts', whole).map(({ file }) => file);
  const replaces = job.retry?.replaces ?? null;
  const sinkJob = {
    jobId: job.jobId,
    spec: job.spec as JobSpec,
    ...(replaces === null ? {} : { replaces }),
  };
  const published = deps.sink.publish(
    {
      ...sinkJob,
      tenant: job.tenant,
      adopt: job.adopt,
      fence: lease.fence,
      parts: parts.length > 0 ? parts : [await emptyPart({ job, lease }, deps)],
      rejects: wholeFiles('rejects', whole).map(({ file }) => file),
      staging: `${job.workspace}/published`,
      manifest: deps.manifest,
    },
    { engine: deps.engine, signal },
  );
  return published.catch(async (error: unknown) => {
    // Only what is certainly not there may be called a failure: a result that is visible must not end as a failed job.
    if ((await deps.sink.probe(sinkJob)) === 'absent') throw error;
    throw new OutcomeUnknown('publishing failed half-way', { cause: error });
  });
}

/** A result without rows is a dataset all the same, with columns and types: readers need one file. */
async function emptyPart(
  { job, lease }: Pick<TaskWork, 'job' | 'lease'>,
  { storage, engine }: PublishDeps,
): Promise<StoredFile> {
  if (job.pinned === null) throw new Error('a job is published after it was pinned');
  const key = `${job.workspace}/parts/empty-${lease.fence}.parquet`;
  const staged = await storage.stage(key);
  await engine.writeEmptyTable(staged.path, outputSchema(job.pinned.snapshot.columns, job.pinned.bound));
  const { sizeBytes, sha256 } = await staged.seal();
  return { key, rows: 0, sizeBytes, sha256 };
}
