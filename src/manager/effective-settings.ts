import type { EffectiveSettings } from '../core/wire.ts';
import type { JobSpec } from '../spec/job-spec.ts';

export interface Machine {
  readonly slots: number;
  readonly memoryMb: number;
}

/** Of the machine's memory, what all workers of a job may have together; the rest is the system's and the manager's. */
const WORKERS_SHARE = 0.8;

/**
 * What a job's limits come to: workers = min(parallelism, slots, shards left); memory for each = min(max_memory_gb,
 * its share of the machine); one thread each.
 */
export function effectiveSettings(spec: JobSpec, machine: Machine, shardsLeft: number): EffectiveSettings {
  const workers = Math.max(1, Math.min(spec.config.parallelism, machine.slots, shardsLeft));
  const share = (machine.memoryMb * WORKERS_SHARE) / workers;
  return {
    workers,
    memory_mb_per_worker: Math.floor(Math.min(spec.config.max_memory_gb * 1024, share)),
    threads_per_worker: 1,
    batch_size: spec.config.batch_size,
  };
}
