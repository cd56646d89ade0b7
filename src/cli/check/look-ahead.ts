import { loadavg } from 'node:os';
import { thisMachine } from '../../compute/local/this-machine.ts';
import { cutShards } from '../../core/cut-shards.ts';
import { Failure } from '../../core/errors.ts';
import { rangeRows } from '../../core/snapshot.ts';
import { effectiveSettings } from '../../manager/effective-settings.ts';
import { outputBytesPerRow } from '../../manager/output-size.ts';
import type { JobSpec } from '../../spec/job-spec.ts';
import { type Estimate, estimateJob } from './estimate.ts';
import type { Findings } from './findings.ts';
import type { SampledJob } from './look-at-sample.ts';
import type { ScoredSample } from './score-sample.ts';

/** How long the whole job would take, and what it needs; null: its speed could not be measured. */
export function lookAhead(
  { spec, input, settled, rows }: SampledJob,
  { timed, startMs, peakMemoryBytes }: ScoredSample,
): Estimate | null {
  if (timed === null || startMs === null || peakMemoryBytes === null) return null;
  const machine = thisMachine();
  const shards = cutShards(
    { files: input.rowsExact ? input.snapshot.files : [], columns: [], rows },
    {
      workers: Math.min(spec.config.parallelism, machine.slots),
      outputBytesPerRow: outputBytesPerRow(input.snapshot, settled.bound),
      limit: null,
    },
  );
  return estimateJob({
    rows,
    settings: effectiveSettings(spec, machine, shards.length),
    timed,
    startMs,
    pinMs: input.pinMs,
    peakMemoryBytes,
    shardRows: Math.max(...shards.map(rangeRows)),
    cores: machine.slots,
    load: loadavg()[0] ?? 0,
    isText: spec.output.destination !== 'parquet',
  });
}

/** What the job would need against what there is: room for the result, memory of a worker, the job's own time limit. */
export function judgeEstimate(
  estimate: Estimate,
  { config }: Pick<JobSpec, 'config'>,
  rooms: readonly Room[],
  { refuse, warnings }: Findings,
): void {
  const bytes = estimate.output_bytes;
  for (const { path, freeBytes } of rooms) {
    if (freeBytes === null || freeBytes > 3 * bytes) continue;
    const what = `${path} has ${megabytes(freeBytes)} free, and the result will have about ${megabytes(bytes)}`;
    if (freeBytes < bytes) refuse(new Failure('DISK_FULL', `${what}.`, { place: { file: path } }));
    else warnings.push(`${what}; while it is published it may need twice as much.`);
  }
  const { memory_mb_per_worker: needed, memory_limit_mb_per_worker: limit } = estimate;
  if (needed > limit)
    warnings.push(`A worker needed ${needed} MiB, and gets ${limit} MiB with these settings.`);
  if (estimate.duration_ms > config.timeout_minutes * 60_000) {
    refuse(
      new Failure(
        'JOB_TIMEOUT',
        `The job will take about ${Math.ceil(estimate.duration_ms / 60_000)} minutes; config.timeout_minutes is ${config.timeout_minutes}.`,
        { place: { field: 'config.timeout_minutes' } },
      ),
    );
  }
}

/** Where a copy of the result will lie. */
export interface Room {
  readonly path: string;
  /** Null: not known. */
  readonly freeBytes: number | null;
}

function megabytes(bytes: number): string {
  return `${Math.ceil(bytes / 2 ** 20)} MiB`;
}
