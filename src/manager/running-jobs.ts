import type { Fleet } from '../compute/compute.ts';
import type { Progress } from '../core/lease.ts';
import type { EffectiveSettings } from '../core/wire.ts';
import type { TaskProcess } from './manager-deps.ts';

/**
 * What a manager knows of the jobs it works on beyond the ledger: processes and unconfirmed progress. All of it may be
 * lost at any moment without harm.
 */
export interface RunningJob {
  readonly tenant: string;
  readonly jobId: string;
  /** Monotonic ms since when this manager works on the job: config.timeout_minutes counts from here. */
  readonly sinceTickMs: number;
  /** Its processes are being taken away: their ends are no news. */
  disbanded: boolean;
  fleet: Fleet | null;
  task: TaskProcess | null;
  /** Progress of leased shards, by shard id. */
  readonly progress: Map<number, Progress>;
  /** Workers that got as far as asking for work. */
  readonly readyWorkers: Set<string>;
  /** Workers in a row that ended before they asked for work. */
  startFailures: number;
  /** Task processes in a row that ended before they had claimed anything. */
  idleTaskDeaths: number;
  settings: EffectiveSettings | null;
  /** Size of the input; null while it is not known. */
  inputBytes: number | null;
}

export type RunningJobs = Map<string, RunningJob>;

export function runningJob(jobs: RunningJobs, tenant: string, jobId: string, tickMs: number): RunningJob {
  const existing = jobs.get(jobId);
  if (existing !== undefined) return existing;
  const created: RunningJob = {
    tenant,
    jobId,
    sinceTickMs: tickMs,
    disbanded: false,
    fleet: null,
    task: null,
    progress: new Map(),
    readyWorkers: new Set(),
    startFailures: 0,
    idleTaskDeaths: 0,
    settings: null,
    inputBytes: null,
  };
  jobs.set(jobId, created);
  return created;
}
