import { dirname, join } from 'node:path';
import { createWorkerLink } from '../../client/worker-link.ts';
import { processIdentity } from '../../compute/local/process-identity.ts';
import { Failure } from '../../core/errors.ts';
import type { Segment } from '../../core/snapshot.ts';
import type { WorkerContext } from '../../core/wire.ts';
import { createDataEngine } from '../../data/duckdb-engine.ts';
import { checkFileUnchanged } from '../../data/file-identity.ts';
import { openStderrLog } from '../../observe/log.ts';
import { sha256OfFile } from '../../registry/model-bytes.ts';
import { runtimes } from '../../runtimes/runtimes.ts';
import { createLocalStorage } from '../../storage/local.ts';
import { startLeaseKeeper } from '../../worker/lease-keeper.ts';
import { refuseOtherModel, runWorker } from '../../worker/worker.ts';
import { endWithParent } from '../end-with-parent.ts';
import { scratchFolder } from '../scratch-folder.ts';
import { systemClock, systemRandom } from '../system-ports.ts';

export interface WorkerOptions {
  readonly manager: string;
  /** Where the storage's root is for this process. */
  readonly storage: string;
}

/** One worker process: all it is given is where the manager is, a token for one job, and where the storage is. */
export async function workerCommand(options: WorkerOptions): Promise<number> {
  const token = process.env.BATCHWRIGHT_TOKEN;
  if (token === undefined)
    throw new Failure('UNAUTHORIZED', 'The environment variable BATCHWRIGHT_TOKEN is not set.');
  const hasParent = endWithParent();
  const identity = processIdentity(process.pid);
  const log = openStderrLog({ worker: identity });
  const drain = new AbortController();
  process.on('SIGTERM', () => drain.abort());
  process.on('SIGINT', () => drain.abort());

  const storage = createLocalStorage({ root: options.storage });
  const link = createWorkerLink({
    managerUrl: options.manager,
    token,
    fetch: globalThis.fetch,
    sleep: (ms) => systemClock.sleep(ms),
  });
  const scratch = scratchFolder();
  try {
    await runWorker({
      link: {
        ...link,
        claim: (requestId) => link.claim(identity, requestId),
        startFailed: (report) => link.startFailed(identity, report),
      },
      storage,
      clock: systemClock,
      random: systemRandom,
      log,
      drain: drain.signal,
      startKeeper: (context) =>
        startLeaseKeeper(
          {
            managerUrl: options.manager,
            token,
            leaseMs: context.leaseMs,
            batchTimeoutMs: context.batchTimeoutMs,
            endWithParent: hasParent,
          },
          systemClock.monotonicMs,
        ),
      openEngine: async (context) =>
        createDataEngine({
          threads: context.threads,
          memoryLimitMb: Math.max(256, Math.floor(context.memoryMb / 2)),
          tempDir: scratch.path,
          allowed: await foldersOf(context, storage),
        }),
      openSession: async (context, outputs) => {
        const { model } = context.bound;
        const path = await storage.localPath(model.key);
        refuseOtherModel(model.reference, model.sha256, await sha256OfFile(path));
        for (const { name, sha256 } of model.companions) {
          refuseOtherModel(
            `${model.reference} (${name})`,
            sha256,
            await sha256OfFile(join(dirname(path), name)),
          );
        }
        const options = { binding: { ...context.bound.binding, outputs }, threads: context.threads };
        return runtimes.onnx.open({ path, sha256: model.sha256 }, options, drain.signal);
      },
      checkUnchanged: async (path: string, context: WorkerContext, segment: Segment) => {
        const file = context.snapshot.files[segment.file];
        if (file !== undefined) await checkFileUnchanged(path, file.identity);
      },
    });
    return 0;
  } finally {
    scratch.remove();
  }
}

/** What the engine may touch: the files of the snapshot, to read, and the job's staging, to write. */
async function foldersOf(
  context: WorkerContext,
  storage: { localPath(key: string): Promise<string> },
): Promise<string[]> {
  const files = await Promise.all(context.snapshot.files.map(({ key }) => storage.localPath(key)));
  return [...files, await storage.localPath(context.stagingPrefix)];
}
