import type { BoundJob } from '../../core/bound.ts';
import type { Snapshot } from '../../core/snapshot.ts';
import type { TaskJob, TaskWork } from '../../core/wire.ts';
import type { DataEngine } from '../../data/engine.ts';
import type { TransformSettings } from '../../data/transform/transform-database.ts';
import type { ModelFetcher } from '../../registry/registry.ts';
import type { Runtime } from '../../runtimes/runtime.ts';
import { pinPrepared, requireKey } from '../../sources/prepare.ts';
import type { SourceContext } from '../../sources/source.ts';
import type { JobSpec } from '../../spec/job-spec.ts';
import type { Storage } from '../../storage/storage.ts';
import { bindJob } from './bind-job.ts';

export interface PinDeps extends Pick<SourceContext, 'openDatabase' | 'maxRows'> {
  readonly storage: Storage;
  readonly engine: DataEngine;
  readonly registry: ModelFetcher;
  readonly runtime: Runtime;
  /** Files that may be materialised at once. */
  readonly parallelFiles: number;
  /** For `input.transform` and joins. */
  readonly transform: TransformSettings;
}

/**
 * Freezes what the job reads and what it scores with, and finds everything that cannot work before a row is scored:
 * files, columns, types, the condition, the model's inputs and outputs, names that clash.
 */
export async function pin(
  { job, lease: { fence } }: TaskWork,
  deps: PinDeps,
  signal: AbortSignal,
): Promise<{ snapshot: Snapshot; bound: BoundJob }> {
  const spec = job.spec as JobSpec;
  requireKey(spec.input, job.registered?.model.contract.key);
  const [snapshot, model] = await Promise.all([
    pinInput(job, fence, deps, signal),
    deps.registry.fetch(
      { reference: spec.model_id, sha256: job.modelSha256, registered: job.registered },
      job.modelStore,
      deps.storage,
    ),
  ]);
  const signature = await deps.runtime.inspect({
    path: await deps.storage.localPath(model.key),
    sha256: model.sha256,
  });
  const settled = await bindJob({ job, columns: snapshot.columns, model, signature }, (failure) => {
    throw failure;
  });
  if (settled === null) throw new Error('what does not fit was refused before');
  return { snapshot: { ...snapshot, columns: settled.columns }, bound: settled.bound };
}

/** Each attempt materialises into a folder of its own; what earlier ones have left is removed. */
async function pinInput(
  job: TaskJob,
  fence: number,
  { storage, engine, parallelFiles, transform, openDatabase, maxRows }: PinDeps,
  signal: AbortSignal,
): Promise<Snapshot> {
  const folder = `${job.workspace}/input`;
  for (let earlier = 1; earlier < fence; earlier += 1) await storage.remove(`${folder}/${earlier}`);
  const { input } = job.spec as JobSpec;
  const context = {
    storage,
    engine,
    workspace: `${folder}/${fence}`,
    parallelFiles,
    signal,
    ...(openDatabase === undefined ? {} : { openDatabase }),
    ...(maxRows === undefined ? {} : { maxRows }),
  };
  return await pinPrepared(input, { ...context, transform, nowMs: job.createdMs });
}
