import type { EffectiveSettings } from '../../core/wire.ts';
import type { Timed } from './sample-protocol.ts';

export interface EstimateInput {
  /** Rows to read, exact or estimated. */
  readonly rows: number;
  readonly settings: EffectiveSettings;
  readonly timed: Timed;
  /** Of a worker, until its model is loaded. */
  readonly startMs: number;
  /** Of pinning all of the input, as reckoned from what was pinned. */
  readonly pinMs: number;
  readonly peakMemoryBytes: number;
  /** Most rows of a shard. */
  readonly shardRows: number;
  /** Of the machine: its cores, and the processes that are waiting for them without this job (load average). */
  readonly cores: number;
  readonly load: number;
  /** CSV or JSON Lines: parts are turned into text, and read back, before they are published. */
  readonly isText: boolean;
}

export interface Estimate {
  /** One worker, as measured. */
  readonly rows_per_second_per_worker: number;
  readonly rows_per_second: number;
  readonly measured_rows: number;
  readonly duration_ms: number;
  /** Of `duration_ms`: what passes whatever the number of rows, mostly the start of processes. */
  readonly fixed_ms: number;
  /** Between these, most probably. */
  readonly duration_least_ms: number;
  readonly duration_most_ms: number;
  readonly memory_mb_per_worker: number;
  readonly memory_limit_mb_per_worker: number;
  readonly workers: number;
  readonly batch_size: number;
  readonly output_bytes: number;
  /** What else the machine is doing, in processes. */
  readonly load: number;
  readonly cores: number;
}

/** What a shard's row costs until its part is written, beside the engine's buffers (core/cut-shards.ts). */
const BYTES_PER_SHARD_ROW = 35;
/**
 * A job starts a task process and a worker side by side, and ends with audit, publish and what they say to each other. All of it
 * takes processor time as the start of the one sampling process does, and as much longer on a busy machine; so it is told as a
 * multiple of that start. Six jobs of 1,000 rows on two cores with a load of 21: 2.7 to 4.5 times, most near 3.
 */
const STARTS = 3;
/** Parts are hashed once more when they are published. */
const PUBLISH_BYTES_PER_MS = 300_000;
/** Text is written and read back by four threads at most. */
const TEXT_BYTES_PER_MS = 60_000;
const TEXT_GROWTH = 3;

/**
 * From one worker's speed on the first rows to the whole job. What this cannot know: how workers get into each other's way
 * (memory bandwidth, disk, other programs), rows that cost more than the first ones. Hence the span.
 */
export function estimateJob(input: EstimateInput): Estimate {
  const { rows, settings, timed, startMs, pinMs, isText } = input;
  const perWorker = (timed.rows * 1_000) / timed.elapsedMs;
  // The measured worker had its share of the cores beside what else runs; each of several will have less.
  const share = (workers: number) => Math.min(1, input.cores / (input.load + workers));
  const rate = (perWorker * settings.workers * share(settings.workers)) / share(1);
  const partBytes = (timed.partBytes / timed.rows) * rows;
  const outputBytes = partBytes * (isText ? TEXT_GROWTH : 1);
  const publishMs = partBytes / PUBLISH_BYTES_PER_MS + (isText ? outputBytes / TEXT_BYTES_PER_MS : 0);
  const scoringMs = (rows * 1_000) / rate;
  // With more processes than cores who gets how much is chance: figures of one job came out 0.6 to 2.6 times as reckoned.
  const [least, most] = input.load > input.cores ? [0.5, 3] : [0.6, 1.8];
  const fixedMs = STARTS * startMs + pinMs;
  return {
    rows_per_second_per_worker: Math.round(perWorker),
    rows_per_second: Math.round(rate),
    measured_rows: timed.rows,
    duration_ms: Math.round(fixedMs + scoringMs + publishMs),
    fixed_ms: Math.round(fixedMs),
    duration_least_ms: Math.round(least * (fixedMs + scoringMs + publishMs)),
    duration_most_ms: Math.round(most * (fixedMs + scoringMs) + 3 * publishMs),
    memory_mb_per_worker: Math.ceil(
      (input.peakMemoryBytes + input.shardRows * BYTES_PER_SHARD_ROW) / 2 ** 20,
    ),
    memory_limit_mb_per_worker: settings.memory_mb_per_worker,
    workers: settings.workers,
    batch_size: settings.batch_size,
    output_bytes: Math.round(outputBytes),
    load: Math.round(input.load * 10) / 10,
    cores: input.cores,
  };
}
