import { createTaskLink } from '../../client/task-link.ts';
import { processIdentity } from '../../compute/local/process-identity.ts';
import { Failure } from '../../core/errors.ts';
import { runTasks } from '../../manager/tasks/task-loop.ts';
import { openStderrLog } from '../../observe/log.ts';
import { createLocalStorage } from '../../storage/local.ts';
import { endWithParent } from '../end-with-parent.ts';
import { performTask } from '../perform-task.ts';
import { systemClock, systemRandom } from '../system-ports.ts';

/** A task process: pins, audits and publishes one job, as its manager says. */
export async function taskCommand({
  manager,
  storage: root,
}: {
  manager: string;
  storage: string;
}): Promise<number> {
  const token = process.env.BATCHWRIGHT_TOKEN;
  if (token === undefined)
    throw new Failure('UNAUTHORIZED', 'The environment variable BATCHWRIGHT_TOKEN is not set.');
  endWithParent();
  const storage = createLocalStorage({ root });
  const worker = processIdentity(process.pid);
  const log = openStderrLog({ task: worker });
  const link = createTaskLink({
    managerUrl: manager,
    token,
    fetch: globalThis.fetch,
    sleep: (ms) => systemClock.sleep(ms),
  });
  await runTasks({
    link,
    worker,
    clock: systemClock,
    random: systemRandom,
    log,
    perform: (work, signal) => performTask(work, storage, link, signal),
  });
  return 0;
}
