import type { ManagerSettings } from './manager-deps.ts';

/** Storage key below which everything of one job is staged: `parts/`, `rejects/` and whatever its source materialises. */
export function workspaceOf(settings: ManagerSettings, job: { tenant: string; jobId: string }): string {
  return `${settings.workspaceKey}/jobs/${job.tenant}/${job.jobId}`;
}

/** Storage key of the folder of models that jobs copied from files, one sub-folder for each digest. */
export function modelStoreOf(settings: ManagerSettings): string {
  return `${settings.workspaceKey}/models`;
}

/** Storage key of the folder of a tenant's registered models, one sub-folder for each digest. */
export function registryStoreOf(settings: Pick<ManagerSettings, 'workspaceKey'>, tenant: string): string {
  return `${settings.workspaceKey}/registry/${tenant}`;
}
