import type { BoundJob } from '../core/bound.ts';
import { addCounts } from '../core/counts.ts';
import { isTerminal, JOB_STATES, type JobState } from '../core/states.ts';
import type { JobStatus } from '../core/wire.ts';
import type { JobRow } from '../state/ledger/ledger.ts';
import type { RunningJob } from './running-jobs.ts';
import type { StoredSpec } from './submit.ts';

/** A job as people see it: the ledger's record, and the unconfirmed progress of those who work on it now. */
export function jobStatus(job: JobRow, running: RunningJob | undefined, nowMs: number): JobStatus {
  const { spec, retry } = job.spec as StoredSpec;
  const inFlight = isTerminal(job.state)
    ? 0
    : sum([...(running?.progress.values() ?? [])].map(({ rows }) => rows));
  const processed = Math.min(job.counts.read + inFlight, job.totalRows ?? Number.POSITIVE_INFINITY);
  const finishedMs = isTerminal(job.state) ? (job.stateTimes[job.state] ?? null) : null;
  return {
    job_id: job.jobId,
    name: job.name,
    tenant: job.tenant,
    owner: job.owner,
    status: job.state,
    progress: {
      total_rows: job.totalRows,
      processed_rows: processed,
      percentage: percentage(processed, job),
    },
    counts: job.counts,
    shards: job.shards,
    retries: job.retries,
    resumes: job.resumes,
    workers: running?.fleet?.workers().length ?? 0,
    created_at: iso(job.createdMs),
    started_at: job.firstClaimMs === null ? null : iso(job.firstClaimMs),
    finished_at: finishedMs === null ? null : iso(finishedMs),
    estimated_completion: estimate(job, processed, nowMs),
    state_ms: timeInStates(job, nowMs),
    scoring_ms:
      job.firstClaimMs === null || job.lastCompleteMs === null ? null : job.lastCompleteMs - job.firstClaimMs,
    timings: job.timings,
    settings: running?.settings ?? null,
    model: { reference: spec.model_id, sha256: job.modelSha256, registered: job.model },
    output: { location: spec.output.path, mode: spec.output.mode, published: job.published },
    retry:
      retry === undefined
        ? null
        : {
            of: retry.job,
            mode: retry.mode,
            whole: job.takenOver === null ? null : addCounts(job.takenOver, job.counts),
          },
    warnings: warnings(job),
    error: job.error === null ? null : { ...job.error, cause: job.error.message },
  };
}

function percentage(processed: number, job: JobRow): number {
  if (job.state === 'completed') return 100;
  if (job.totalRows === null || job.totalRows === 0) return 0;
  return Math.floor((1000 * processed) / job.totalRows) / 10;
}

function estimate(job: JobRow, processed: number, nowMs: number): string | null {
  if (job.state !== 'running' || job.firstClaimMs === null || job.totalRows === null || processed === 0)
    return null;
  const msPerRow = (nowMs - job.firstClaimMs) / processed;
  return iso(nowMs + msPerRow * (job.totalRows - processed));
}

function timeInStates(job: JobRow, nowMs: number): Partial<Record<JobState, number>> {
  const entered = JOB_STATES.flatMap((state) => {
    const atMs = job.stateTimes[state];
    return atMs === undefined ? [] : [{ state, atMs }];
  }).sort((a, b) => a.atMs - b.atMs);
  const result: Partial<Record<JobState, number>> = {};
  for (const [index, { state, atMs }] of entered.entries()) {
    if (isTerminal(state)) continue;
    result[state] = (entered[index + 1]?.atMs ?? nowMs) - atMs;
  }
  return result;
}

function warnings(job: JobRow): string[] {
  const binding = (job.bound as BoundJob | null)?.binding.warnings ?? [];
  if (job.state !== 'completed' || job.counts.rejected === 0) return [...binding];
  return [
    ...binding,
    `${job.counts.rejected} of ${job.counts.read} ${job.counts.rejected === 1 ? 'row was' : 'rows were'} rejected, within the error budget; see _rejects in the output.`,
  ];
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
