import type { JobClient } from '../client/batch-client.ts';
import { createChanges } from '../manager/changes.ts';
import { createJobService } from '../manager/job-service.ts';
import { acquireManagerLock } from '../state/sqlite/manager-lock.ts';
import { openLedger } from '../state/sqlite/open-ledger.ts';
import { EMBEDDED_TENANT, type StateFolder } from './state-folder.ts';
import { systemClock, systemRandom } from './system-ports.ts';

/**
 * Looks at jobs where no manager lives: the same use cases without server, loops and engines, which take longer to load
 * than to answer (`batchwright jobs`: 0.25 s instead of 0.6 s). Holds the manager's lock meanwhile.
 * Fails with STATE_LOCKED when another process is the manager of this folder.
 */
export async function openLedgerReader(
  folder: StateFolder,
): Promise<{ readonly client: JobClient; close(): Promise<void> }> {
  await using opened = new AsyncDisposableStack();
  opened.use(acquireManagerLock(folder.path));
  const ledger = opened.use(await openLedger({ folder: folder.path, random: systemRandom }));
  const jobs = createJobService({
    ledger,
    clock: systemClock,
    changes: createChanges(systemClock),
    running: new Map(),
    settings: { logFolder: folder.logs },
  });
  const toClose = opened.move();
  return {
    client: {
      status: (jobId) => jobs.status(EMBEDDED_TENANT, jobId),
      list: (filter) => jobs.list(EMBEDDED_TENANT, filter),
      detail: (jobId) => jobs.detail(EMBEDDED_TENANT, jobId),
      cancel: (jobId) => jobs.cancel(EMBEDDED_TENANT, jobId),
    },
    close: () => toClose.disposeAsync(),
  };
}
