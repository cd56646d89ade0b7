import { createWorkerLink } from '../../client/worker-link.ts';
import { processIdentity } from '../../compute/local/process-identity.ts';
import { Failure } from '../../core/errors.ts';
import { openStderrLog } from '../../observe/log.ts';
import { createLocalStorage } from '../../storage/local.ts';
import { startLeaseKeeper } from '../../worker/lease-keeper.ts';
import { runWorker } from '../../worker/worker.ts';
import { endWithParent } from '../end-with-parent.ts';
import { scratchFolder } from '../scratch-folder.ts';
import { systemClock, systemRandom } from '../system-ports.ts';
import { checkSegment, openWorkerEngine, openWorkerSession } from '../worker-parts.ts';

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
      openEngine: (context) => openWorkerEngine(context, storage, scratch.path),
      openSession: (context, outputs) => openWorkerSession(context, outputs, storage, drain.signal),
      checkUnchanged: checkSegment,
    });
    return 0;
  } finally {
    scratch.remove();
  }
}
