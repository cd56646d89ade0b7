import { availableParallelism, totalmem } from 'node:os';
import { dirname } from 'node:path';
import { Failure } from '../core/errors.ts';
import type { TaskLink } from '../core/task-link.ts';
import type { TaskWork } from '../core/wire.ts';
import { createDataEngine } from '../data/duckdb-engine.ts';
import type { DataEngine } from '../data/engine.ts';
import { audit } from '../manager/tasks/audit.ts';
import { outputSchema } from '../manager/tasks/output-schema.ts';
import { pin } from '../manager/tasks/pin.ts';
import { pinRetry } from '../manager/tasks/pin-retry.ts';
import { publish } from '../manager/tasks/publish.ts';
import { OutcomeUnknown } from '../manager/tasks/task-loop.ts';
import { embeddedFetcher } from '../registry/embedded/embedded-registry.ts';
import { createLocalRegistry } from '../registry/local/local-registry.ts';
import { runtimes } from '../runtimes/runtimes.ts';
import { searchFolders } from '../sources/files/expand-paths.ts';
import { inputPaths, isPrepared } from '../sources/prepare.ts';
import type { JobSpec } from '../spec/job-spec.ts';
import type { Storage } from '../storage/storage.ts';
import { databaseAccess } from './config-file.ts';
import { CONFIG_VARIABLE } from './find-config-file.ts';
import { localSink } from './local-sink.ts';
import { scratchFolder } from './scratch-folder.ts';
import { signedManifest } from './signed-manifest.ts';

/** Footers, and a look for duplicate keys, which spills to disk. */
const MEMORY_MB = 1_024;

/** Most threads that writing text takes: the job's workers are gone by then, but other jobs may have some. */
const WRITING_THREADS = 4;

/** Wires and does one task, and tells the manager what came of it. */
export async function performTask(
  work: TaskWork,
  storage: Storage,
  link: TaskLink,
  signal: AbortSignal,
): Promise<void> {
  const { lease, job } = work;
  const spec = job.spec as JobSpec;
  const sink = localSink(storage);
  const scratch = scratchFolder();
  const folders = [
    ...searchFolders(inputPaths(spec.input)),
    await storage.localPath(job.workspace),
    spec.output.path,
    ...(await retryFolders(job, storage)),
  ];
  const threads = threadsFor(work);
  const engine: DataEngine = await createDataEngine({
    threads,
    memoryLimitMb: MEMORY_MB,
    tempDir: scratch.path,
    allowed: folders,
  });
  try {
    switch (lease.kind) {
      case 'pin': {
        const { retry } = job;
        if (retry !== null && retry.mode === 'partial') {
          const { parent } = retry;
          if (parent === null) throw new Error('a partial retry is of a job that was pinned');
          const pinned = await pinRetry(
            work,
            { ...retry, parent },
            { storage, engine, parallelFiles: threads },
            signal,
          );
          await link.pinned(lease, pinned.snapshot, pinned.bound, pinned.base);
          return;
        }
        const registry =
          job.registered === null
            ? createLocalRegistry({ companionsOf: runtimes.onnx.companions })
            : embeddedFetcher;
        const { snapshot, bound } = await pin(
          work,
          {
            storage,
            engine,
            registry,
            runtime: runtimes.onnx,
            parallelFiles: threads,
            transform: { threads, memoryLimitMb: transformMemoryMb(spec), tempDir: scratch.path },
            // Named by the manager, as the secrets of it are: what else lies in the working folder is nobody's to use.
            ...databaseAccess(process.env[CONFIG_VARIABLE] ?? null, {
              threads,
              memoryLimitMb: MEMORY_MB,
              tempDir: scratch.path,
            }),
          },
          signal,
        );
        await sink.checkColumns({ jobId: job.jobId, spec }, outputSchema(snapshot.columns, bound), {
          engine,
          signal,
        });
        await link.pinned(lease, snapshot, bound);
        return;
      }
      case 'audit': {
        await link.audited(lease, await audit(job, storage, engine));
        return;
      }
      case 'publish': {
        const published = await publish(
          work,
          { storage, engine, sink, manifest: signedManifest(job) },
          signal,
        );
        await link.published(lease, published).catch((error: unknown) => {
          throw new OutcomeUnknown('the manager was not told that the result is published', { cause: error });
        });
        return;
      }
      default:
        throw new Failure('REQUEST_INVALID', `There is no task ${String(lease.kind)}.`);
    }
  } finally {
    await engine[Symbol.asyncDispose]();
    scratch.remove();
  }
}

/** What a partial retry gathers its rows from. */
async function retryFolders({ retry }: TaskWork['job'], storage: Storage): Promise<string[]> {
  if (retry === null || retry.parent === null) return [];
  const { parent, repaired } = retry;
  const files = parent.snapshot.files.map(({ key }) => storage.localPath(key));
  return [
    ...repaired.map(({ path }) => dirname(path)),
    await storage.localPath(parent.workspace),
    ...new Set((await Promise.all(files)).map((path) => dirname(path))),
  ];
}

/** Reading text into Parquet and turning parts into text are the tasks that reckon; all others wait for disks. */
function threadsFor({ lease, job }: TaskWork): number {
  const { input, output, config } = job.spec as JobSpec;
  const cores = availableParallelism();
  if (lease.kind === 'pin' && (input.source !== 'parquet' || isPrepared(input)))
    return Math.min(cores, config.parallelism);
  if (lease.kind === 'publish' && output.destination !== 'parquet') return Math.min(cores, WRITING_THREADS);
  return 1;
}

/** What is beside it takes memory, too: no more than half of the machine's. */
function transformMemoryMb({ config }: JobSpec): number {
  return Math.floor(Math.min(config.max_memory_gb * 1_024, totalmem() / 2 ** 21));
}
