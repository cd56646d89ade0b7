import type { JobSpec } from '../spec/job-spec.ts';
import { workspaceOf } from './layout.ts';
import type { ManagerDeps } from './manager-deps.ts';
import type { StoredSpec } from './submit.ts';
import { timeOf } from './time-of.ts';

/** Removes staging and replaced outputs of jobs that ended longer ago than their time limit. Models stay. */
export async function retainOnce(deps: ManagerDeps): Promise<void> {
  const time = timeOf(deps.clock);
  for (const { tenant, jobId } of await deps.ledger.expired(time)) {
    const job = await deps.ledger.job(tenant, jobId);
    if (job === null) continue;
    const spec: JobSpec = (job.spec as StoredSpec).spec;
    await deps.storage.remove(workspaceOf(deps.settings, job));
    await deps.discardAtDestination(spec, jobId);
    await deps.ledger.cleaned(tenant, jobId, time);
  }
}
