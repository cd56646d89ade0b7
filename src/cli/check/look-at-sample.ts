import { join } from 'node:path';
import { thisMachine } from '../../compute/local/this-machine.ts';
import { Failure } from '../../core/errors.ts';
import { rejectLimit } from '../../core/failure-rules.ts';
import type { WorkerContext } from '../../core/wire.ts';
import { predictionFacts } from '../../data/prediction-facts.ts';
import { groupRejects } from '../../data/reject-groups.ts';
import { effectiveSettings } from '../../manager/effective-settings.ts';
import type { SettledJob } from '../../manager/tasks/bind-job.ts';
import type { JobSpec } from '../../spec/job-spec.ts';
import type { Storage } from '../../storage/storage.ts';
import { WHOLE_FILE_SYSTEM } from '../embedded-manager.ts';
import { counted } from '../format.ts';
import { EMBEDDED_TENANT } from '../state-folder.ts';
import type { CheckedSample } from './check-result.ts';
import type { Findings } from './findings.ts';
import type { LookedAtInput } from './look-at-input.ts';
import { sampleRanges } from './sample-ranges.ts';
import { type ScoredSample, scoreSample } from './score-sample.ts';

export interface SampledJob {
  /** That the sample is scored as. */
  readonly jobId: string;
  readonly spec: JobSpec;
  readonly input: LookedAtInput;
  readonly settled: SettledJob;
  /** Rows that the job would read. */
  readonly rows: number;
}

export interface LookedAtSample {
  readonly sample: CheckedSample;
  readonly scored: ScoredSample;
}

/** Speed is measured on the first rows, so many at most. */
const MOST_TIMED_ROWS = 500_000;

/** Scores about `wanted` rows as workers would, below `scratch`, and says what would become of all. */
export async function lookAtSample(
  job: SampledJob,
  { sample: wanted, scratch }: { readonly sample: number; readonly scratch: string },
  storage: Storage,
  findings: Findings,
  signal: AbortSignal,
): Promise<LookedAtSample> {
  const known = Math.min(job.rows, job.input.snapshot.rows);
  const ranges = sampleRanges(known, wanted);
  const scored = await scoreSample(
    {
      context: workerContext(job, storage.keyOf(join(scratch, 'staging'))),
      ranges,
      timingRange: { start: 0, end: Math.min(known, MOST_TIMED_ROWS) },
      storageRoot: WHOLE_FILE_SYSTEM,
      scratch,
    },
    signal,
  );
  for (const problem of scored.problems) findings.refuse(problem);
  findings.warnings.push(...scored.warnings);
  const sample = await describeSample(scored, job.settled, ranges.length, storage);
  judgeRejects(sample, job, findings);
  judgeKey(sample, job.spec, findings);
  return { sample, scored };
}

function workerContext({ jobId, spec, input, settled }: SampledJob, stagingPrefix: string): WorkerContext {
  const settings = effectiveSettings(spec, thisMachine(), spec.config.parallelism);
  return {
    tenant: EMBEDDED_TENANT,
    jobId,
    snapshot: { ...input.snapshot, columns: settled.columns },
    bound: settled.bound,
    onNull: spec.input.on_null,
    allowNonFinite: spec.output.allow_non_finite,
    stagingPrefix,
    batchSize: settings.batch_size,
    batchTimeoutMs: spec.config.batch_timeout_seconds * 1_000,
    leaseMs: 0,
    threads: settings.threads_per_worker,
    memoryMb: settings.memory_mb_per_worker,
  };
}

async function describeSample(
  { counts, parts, rejects }: ScoredSample,
  { bound, columns }: SettledJob,
  places: number,
  storage: Storage,
): Promise<CheckedSample> {
  const partPaths = await Promise.all(parts.map((key) => storage.localPath(key)));
  const rejectFiles = await Promise.all(
    rejects.map(async ({ key, rows }) => ({ path: await storage.localPath(key), rows })),
  );
  const facts =
    partPaths.length === 0 ? null : await predictionFacts(partPaths, bound.binding.outputs, bound.key);
  const key = bound.key;
  return {
    counts,
    places,
    rejects: await groupRejects(rejectFiles, key),
    predictions: facts?.predictions ?? [],
    key:
      key === null || facts === null || facts.key === null
        ? null
        : {
            column: key,
            never_null: columns.some(({ name, neverNull }) => name === key && neverNull),
            rows: facts.key.rows,
            distinct: facts.key.distinct,
            twice: facts.key.example,
          },
  };
}

/** Rejects of the sample, reckoned up to all rows, against the error budget. */
function judgeRejects(
  { counts, rejects }: CheckedSample,
  { spec, input, rows }: SampledJob,
  { refuse }: Findings,
): void {
  const allowed = rejectLimit(spec.config.error_budget, rows);
  const share = counts.read === 0 ? 0 : counts.rejected / counts.read;
  const expected = Math.max(Math.round(share * rows), counts.rejected, input.malformed);
  if (expected <= allowed) return;
  const codes = rejects.groups.map(({ code }) => code).join(', ');
  const seen =
    counts.rejected === 0
      ? `${counted(input.malformed, 'line')} of the input ${input.malformed === 1 ? 'is' : 'are'} malformed`
      : `${counts.rejected} of ${counts.read} sampled rows would be rejected (${codes}), so some ${expected} of ${rows}`;
  refuse(
    new Failure('ERROR_BUDGET_EXCEEDED', `${seen}; config.error_budget allows ${allowed}.`, {
      place: { field: 'config.error_budget' },
      next:
        expected > rows / 2
          ? 'Most rows would be lost: correct what the codes say, in the rows or in how they are read.'
          : `Repair the rows, or allow for them, as with --error-budget ${percentage(expected / Math.max(1, rows))}.`,
    }),
  );
}

/** A key that stands twice: refused where it was declared unique. */
function judgeKey({ key }: CheckedSample, spec: JobSpec, { refuse, warnings }: Findings): void {
  if (key?.twice == null) return;
  const twice = `${key.column} = ${key.twice} stands in several sampled rows`;
  if (spec.input.unique_key) {
    refuse(
      new Failure('DUPLICATE_KEY', `${twice}, and input.unique_key is true.`, {
        place: { field: key.column, row: key.twice },
      }),
    );
  } else warnings.push(`${twice}: the key does not tell rows of the result apart.`);
}

/** Twice as much, to a figure that people would write. */
function percentage(share: number): string {
  const wanted = Math.min(100, share * 200);
  const unit = 10 ** Math.floor(Math.log10(wanted));
  return `${Number((Math.ceil(wanted / unit) * unit).toPrecision(2))}%`;
}
