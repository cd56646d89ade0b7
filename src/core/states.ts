/** States of a job. `docs/ledger-spec.md` has the events. */
export const JOB_STATES = [
  'submitted',
  'preparing',
  'running',
  'completing',
  'completed',
  'failed',
  'cancelled',
] as const;
export type JobState = (typeof JOB_STATES)[number];

/** Which state may follow which. Terminal states never change. */
export const JOB_TRANSITIONS: Readonly<Record<JobState, readonly JobState[]>> = {
  submitted: ['preparing', 'failed', 'cancelled'],
  preparing: ['running', 'completing', 'failed', 'cancelled'],
  running: ['completing', 'failed', 'cancelled'],
  completing: ['completed', 'failed', 'cancelled'],
  completed: [],
  failed: [],
  cancelled: [],
};

export function isTerminal(state: JobState): boolean {
  return JOB_TRANSITIONS[state].length === 0;
}

/**
 * States of a shard. 'split' is the end of a shard whose rows were handed on to others: the shards that are not 'split'
 * tile the snapshot at every moment.
 */
export const SHARD_STATES = ['ready', 'leased', 'accepted', 'split'] as const;
export type ShardState = (typeof SHARD_STATES)[number];

export const TASK_KINDS = ['pin', 'audit', 'publish'] as const;
/** Work on a whole job, done in a child process of a manager under the job-level lease. */
export type TaskKind = (typeof TASK_KINDS)[number];
