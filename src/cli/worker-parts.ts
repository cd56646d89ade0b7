import { dirname, join } from 'node:path';
import type { OutputBinding } from '../core/signature.ts';
import type { Segment } from '../core/snapshot.ts';
import type { WorkerContext } from '../core/wire.ts';
import { createDataEngine } from '../data/duckdb-engine.ts';
import type { DataEngine } from '../data/engine.ts';
import { checkFileUnchanged } from '../data/file-identity.ts';
import { sha256OfFile } from '../registry/model-bytes.ts';
import type { Session } from '../runtimes/runtime.ts';
import { runtimes } from '../runtimes/runtimes.ts';
import type { Storage } from '../storage/storage.ts';
import { refuseOtherModel } from '../worker/worker.ts';

/** The engine of a process that scores: it may touch the files of the snapshot and the job's staging, and has half of the memory. */
export async function openWorkerEngine(
  context: WorkerContext,
  storage: Storage,
  tempDir: string,
): Promise<DataEngine> {
  const files = await Promise.all(context.snapshot.files.map(({ key }) => storage.localPath(key)));
  return createDataEngine({
    threads: context.threads,
    memoryLimitMb: Math.max(256, Math.floor(context.memoryMb / 2)),
    tempDir,
    allowed: [...files, await storage.localPath(context.stagingPrefix)],
  });
}

/** Checks the digests, then loads the model. Fails with MODEL_CHANGED and as `Runtime.open` does. */
export async function openWorkerSession(
  context: WorkerContext,
  outputs: readonly OutputBinding[],
  storage: Storage,
  signal: AbortSignal,
): Promise<Session> {
  const { model, binding } = context.bound;
  const path = await storage.localPath(model.key);
  refuseOtherModel(model.reference, model.sha256, await sha256OfFile(path));
  for (const { name, sha256 } of model.companions) {
    refuseOtherModel(`${model.reference} (${name})`, sha256, await sha256OfFile(join(dirname(path), name)));
  }
  const options = { binding: { ...binding, outputs }, threads: context.threads };
  return runtimes.onnx.open({ path, sha256: model.sha256 }, options, signal);
}

export async function checkSegment(path: string, context: WorkerContext, segment: Segment): Promise<void> {
  const file = context.snapshot.files[segment.file];
  if (file !== undefined) await checkFileUnchanged(path, file.identity);
}
