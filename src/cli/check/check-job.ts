import { statfs } from 'node:fs/promises';
import { availableParallelism, loadavg, totalmem } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import type { BoundJob, PinnedModel } from '../../core/bound.ts';
import { cutShards } from '../../core/cut-shards.ts';
import { Failure, type FailureReport } from '../../core/errors.ts';
import { rejectLimit } from '../../core/failure-rules.ts';
import { shapeText } from '../../core/signature.ts';
import { rangeRows, type SourceColumn } from '../../core/snapshot.ts';
import type { WorkerContext } from '../../core/wire.ts';
import { createDataEngine } from '../../data/duckdb-engine.ts';
import type { KeyCandidates } from '../../data/key-candidates.ts';
import { predictionFacts } from '../../data/prediction-facts.ts';
import { groupRejects } from '../../data/reject-groups.ts';
import { effectiveSettings } from '../../manager/effective-settings.ts';
import { outputBytesPerRow } from '../../manager/output-size.ts';
import { checkResumable, unfinishedJob } from '../../manager/submit.ts';
import { bindJob } from '../../manager/tasks/bind-job.ts';
import { outputSchema } from '../../manager/tasks/output-schema.ts';
import type { Registry } from '../../registry/registry.ts';
import { searchFolders } from '../../sources/files/expand-paths.ts';
import {
  checkPreparedUnchanged,
  inputPaths,
  isPrepared,
  refuseInputOverlap,
  requireKey,
} from '../../sources/prepare.ts';
import { jobIdentity } from '../../spec/identity.ts';
import type { JobSpec } from '../../spec/job-spec.ts';
import type { OpenLedger } from '../../state/sqlite/open-ledger.ts';
import { createLocalStorage } from '../../storage/local.ts';
import type { Storage } from '../../storage/storage.ts';
import { WHOLE_FILE_SYSTEM } from '../embedded-manager.ts';
import { counted } from '../format.ts';
import { hasKeyName } from '../key-names.ts';
import { keysByValue } from '../likely-keys.ts';
import { localSink } from '../local-sink.ts';
import { registryOver } from '../registry-over.ts';
import { EMBEDDED_TENANT } from '../state-folder.ts';
import { systemClock } from '../system-ports.ts';
import type { CheckedBinding, CheckedInput, CheckedSample, CheckResult } from './check-result.ts';
import { type Estimate, estimateJob } from './estimate.ts';
import { type LookedAtInput, lookAtInput } from './look-at-input.ts';
import { lookAtModel } from './look-at-model.ts';
import { sampleRanges } from './sample-ranges.ts';
import { type ScoredSample, scoreSample } from './score-sample.ts';
import { openStateCopy } from './state-copy.ts';

export interface CheckOptions {
  readonly state: string;
  readonly fresh: boolean;
  readonly adopt: boolean;
  /** Rows to score. */
  readonly sample: number;
  /** Read text to its end, however large it is. */
  readonly full: boolean;
  /** The only folder that anything is written to; the caller removes it. */
  readonly scratch: string;
  /** Told what is being done, for people who wait. */
  readonly doing: (what: string) => void;
}

/** Footers, and text that is turned into Parquet. */
const ENGINE_MEMORY_MB = 1_024;
const JOB_ID = 'job-check';
/** Speed is measured on the first rows, so many at most. */
const MOST_TIMED_ROWS = 500_000;

/**
 * Looks at everything that a job would meet, as far as that can be told beforehand, and scores a sample. Changes nothing,
 * neither in the state folder nor at the destination. Goes on after a problem wherever more can be told.
 */
export async function checkJob(
  spec: JobSpec,
  options: CheckOptions,
  signal: AbortSignal,
): Promise<CheckResult> {
  const { scratch, doing } = options;
  const problems = new Map<string, FailureReport>();
  const warnings: string[] = [];
  const refuse = (failure: Failure): void => {
    const all = failure.problems.length > 0 ? failure.problems : [failure.toJSON()];
    for (const problem of all) problems.set(`${problem.code} ${problem.message}`, problem);
  };
  /** Null: it failed, and that is among the problems. */
  const attempt = async <Value>(work: () => Promise<Value>): Promise<Value | null> => {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      refuse(error);
      return null;
    }
  };

  const storage = createLocalStorage({ root: WHOLE_FILE_SYSTEM });
  const threads = Math.min(availableParallelism(), spec.config.parallelism);
  await using opened = new AsyncDisposableStack();
  const engine = opened.use(
    await createDataEngine({
      threads: spec.input.source === 'parquet' && !isPrepared(spec.input) ? 1 : threads,
      memoryLimitMb: ENGINE_MEMORY_MB,
      tempDir: scratch,
      allowed: [...searchFolders(inputPaths(spec.input)), scratch, spec.output.path],
    }),
  );
  const ledger =
    (await attempt(() => openStateCopy(options.state, scratch))) ??
    (await openStateCopy(join(scratch, 'none'), scratch));
  opened.use(ledger);
  const registry = registryOver(ledger, storage);

  doing('Looking at model, input and destination');
  const model = await attempt(() => lookAtModel(spec, registry, options.state, storage));
  await attempt(async () => requireKey(spec.input, model?.resolved.registered?.model.contract.key));
  const input = await attempt(() =>
    lookAtInput(spec.input, options, { storage, engine, parallelFiles: threads, signal }),
  );
  const limit = spec.input.limit ?? Number.POSITIVE_INFINITY;
  const rows = input === null ? 0 : Math.min(limit, input.rows);
  const settled =
    model === null || input === null
      ? null
      : await bindJob(
          {
            job: {
              jobId: JOB_ID,
              spec,
              registered: model.resolved.registered,
              createdMs: systemClock.nowMs(),
            },
            columns: input.snapshot.columns,
            model: model.pinned,
            signature: model.signature,
          },
          refuse,
        );
  warnings.push(...(settled?.bound.binding.warnings ?? []));
  if (input !== null && rows === 0) warnings.push('The input has no rows: the result will have none.');

  const resumes = await attempt(() => lookAtUnfinished(spec, options.fresh, ledger, registry, storage));
  const before = problems.size;
  await attempt(() => lookAtDestination(spec, options, resumes, ledger, storage));
  if (settled !== null) {
    await attempt(() =>
      localSink(storage).checkColumns(
        { jobId: resumes ?? JOB_ID, spec },
        outputSchema(settled.columns, settled.bound),
        { engine, signal },
      ),
    );
  }
  const usable = problems.size === before;

  let sample: CheckedSample | null = null;
  let estimate: Estimate | null = null;
  if (settled !== null && input !== null && rows > 0) {
    doing('Scoring a sample');
    const scored = await scoreRows(spec, input, settled, rows, options, storage, signal);
    for (const problem of scored.problems) refuse(problem);
    warnings.push(...scored.warnings);
    sample = await describeSample(scored, settled, input, options, storage);
    judgeSample(sample, spec, input, rows, { refuse, warnings });
    estimate = estimated(spec, input, settled, rows, scored);
    if (estimate === null && scored.problems.length === 0)
      warnings.push('The speed could not be measured, so there is no estimate.');
  }
  const freeBytes = await freeBytesAt(spec.output.path);
  if (estimate !== null) await judgeEstimate(estimate, spec, options.state, freeBytes, { refuse, warnings });

  return {
    ready: problems.size === 0,
    problems: [...problems.values()],
    warnings,
    model:
      model === null
        ? null
        : {
            reference: spec.model_id,
            sha256: model.pinned.sha256,
            registered: useOf(model.pinned),
          },
    input:
      input === null
        ? null
        : {
            ...describeInput(spec, input, rows),
            keyless:
              spec.input.key !== undefined ||
              model?.resolved.registered?.model.contract.key !== undefined ||
              isPrepared(spec.input)
                ? null
                : ((await attempt(() => keysBeside(settled?.bound, input, storage))) ?? null),
          },
    binding: settled === null ? null : describeBinding(settled.bound, settled.columns, spec.input.on_null),
    sample,
    estimate,
    output: {
      location: spec.output.path,
      destination: spec.output.destination,
      mode: spec.output.mode,
      usable,
      free_bytes: freeBytes,
    },
    resumes,
  };
}

type Settled = NonNullable<Awaited<ReturnType<typeof bindJob>>>;

interface Verdicts {
  readonly refuse: (failure: Failure) => void;
  readonly warnings: string[];
}

function useOf({ registered }: PinnedModel): { name: string; version: number; alias: string | null } | null {
  if (registered === undefined) return null;
  const { name, version, alias } = registered;
  return { name, version, alias };
}

/** What could be named as the key, what has the name of one first; features are none. */
async function keysBeside(
  bound: BoundJob | undefined,
  { snapshot }: LookedAtInput,
  storage: Storage,
): Promise<KeyCandidates> {
  const { columns, rows } = await keysByValue(snapshot, storage);
  const features = new Set(bound?.binding.inputs.flatMap((input) => input.columns));
  const free = columns.filter((name) => !features.has(name));
  return { columns: [...free.filter(hasKeyName), ...free.filter((name) => !hasKeyName(name))], rows };
}

/** The job that `run` would go on with; null: none. Fails as a resume would. */
async function lookAtUnfinished(
  spec: JobSpec,
  fresh: boolean,
  ledger: OpenLedger,
  registry: Registry,
  storage: Storage,
): Promise<string | null> {
  if (fresh) return null;
  const job = await unfinishedJob(EMBEDDED_TENANT, jobIdentity(EMBEDDED_TENANT, spec), { ledger });
  if (job === null) return null;
  await checkResumable(EMBEDDED_TENANT, job.jobId, {
    ledger,
    registry,
    checkSourceUnchanged: (own, snapshot) => checkPreparedUnchanged(own.input, snapshot, storage),
  });
  return job.jobId;
}

async function lookAtDestination(
  spec: JobSpec,
  { adopt }: CheckOptions,
  resumes: string | null,
  ledger: OpenLedger,
  storage: Storage,
): Promise<void> {
  const identity = jobIdentity(EMBEDDED_TENANT, spec);
  const holder = (await ledger.openJobs()).find(
    (job) => job.destination === spec.output.path && job.identity !== identity,
  );
  if (holder !== undefined) {
    throw new Failure(
      'DESTINATION_BUSY',
      `Job ${holder.jobId} ("${holder.name}") is unfinished and writes to ${spec.output.path}.`,
      {
        place: { field: 'output.path', file: spec.output.path },
        next: `Wait for it, or: batchwright cancel ${holder.jobId}`,
      },
    );
  }
  try {
    await refuseInputOverlap(spec.input, spec.output.path);
  } catch (error) {
    // That there is no input is said where the input is looked at.
    if (!(error instanceof Failure) || error.code.startsWith('DESTINATION')) throw error;
  }
  await localSink(storage).check({ spec, jobId: resumes ?? JOB_ID, adopt });
}

const MACHINE = () => ({
  slots: availableParallelism(),
  memoryMb: Math.floor(totalmem() / 2 ** 20),
});

async function scoreRows(
  spec: JobSpec,
  { snapshot }: LookedAtInput,
  { columns, bound }: Settled,
  rows: number,
  { sample, scratch }: CheckOptions,
  storage: Storage,
  signal: AbortSignal,
): Promise<ScoredSample> {
  const known = Math.min(rows, snapshot.rows);
  const settings = effectiveSettings(spec, MACHINE(), spec.config.parallelism);
  const context: WorkerContext = {
    tenant: EMBEDDED_TENANT,
    jobId: JOB_ID,
    snapshot: { ...snapshot, columns },
    bound,
    onNull: spec.input.on_null,
    allowNonFinite: spec.output.allow_non_finite,
    stagingPrefix: storage.keyOf(join(scratch, 'staging')),
    batchSize: settings.batch_size,
    batchTimeoutMs: spec.config.batch_timeout_seconds * 1_000,
    leaseMs: 0,
    threads: settings.threads_per_worker,
    memoryMb: settings.memory_mb_per_worker,
  };
  return scoreSample(
    {
      context,
      ranges: sampleRanges(known, sample),
      timingRange: { start: 0, end: Math.min(known, MOST_TIMED_ROWS) },
      storageRoot: WHOLE_FILE_SYSTEM,
      scratch,
    },
    signal,
  );
}

async function describeSample(
  { counts, parts, rejects }: ScoredSample,
  { bound, columns }: Settled,
  { snapshot }: LookedAtInput,
  { sample }: CheckOptions,
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
    places: sampleRanges(snapshot.rows, sample).length,
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

/** Rejects against the error budget, and keys that stand twice. */
function judgeSample(
  { counts, key, rejects }: CheckedSample,
  spec: JobSpec,
  input: LookedAtInput,
  rows: number,
  { refuse, warnings }: Verdicts,
): void {
  const allowed = rejectLimit(spec.config.error_budget, rows);
  const share = counts.read === 0 ? 0 : counts.rejected / counts.read;
  const expected = Math.max(Math.round(share * rows), counts.rejected, input.malformed);
  if (expected > allowed) {
    const codes = rejects.groups.map(({ code }) => code).join(', ');
    const seen =
      counts.rejected === 0
        ? `${counted(input.malformed, 'line')} of the input ${input.malformed === 1 ? 'is' : 'are'} malformed`
        : `${counts.rejected} of ${counts.read} sampled rows would be rejected (${codes}), so some ${expected} of ${rows}`;
    refuse(
      new Failure('ERROR_BUDGET_EXCEEDED', `${seen}; config.error_budget allows ${allowed}.`, {
        place: { field: 'config.error_budget' },
        next: `Repair the rows, or allow for them, as with --error-budget ${percentage(expected / Math.max(1, rows))}.`,
      }),
    );
  }
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

function estimated(
  spec: JobSpec,
  input: LookedAtInput,
  { bound }: Settled,
  rows: number,
  { timed, startMs, peakMemoryBytes }: ScoredSample,
): Estimate | null {
  if (timed === null || startMs === null || peakMemoryBytes === null) return null;
  const machine = MACHINE();
  const shards = cutShards(
    { files: input.rowsExact ? input.snapshot.files : [], columns: [], rows },
    {
      workers: Math.min(spec.config.parallelism, machine.slots),
      outputBytesPerRow: outputBytesPerRow(input.snapshot, bound),
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

async function judgeEstimate(
  { output_bytes: bytes, memory_mb_per_worker: memoryMb, ...estimate }: Estimate,
  spec: JobSpec,
  state: string,
  freeBytes: number | null,
  { refuse, warnings }: Verdicts,
): Promise<void> {
  const places = [
    [spec.output.path, freeBytes],
    [resolve(state), await freeBytesAt(resolve(state))],
  ] as const;
  for (const [place, free] of places) {
    if (free === null || free > 3 * bytes) continue;
    const what = `${place} has ${megabytes(free)} free, and the result will have about ${megabytes(bytes)}`;
    if (free < bytes) refuse(new Failure('DISK_FULL', `${what}.`, { place: { file: place } }));
    else warnings.push(`${what}; while it is published it may need twice as much.`);
  }
  if (memoryMb > estimate.memory_limit_mb_per_worker) {
    warnings.push(
      `A worker needed ${memoryMb} MiB, and gets ${estimate.memory_limit_mb_per_worker} MiB with these settings.`,
    );
  }
  if (estimate.duration_ms > spec.config.timeout_minutes * 60_000) {
    refuse(
      new Failure(
        'JOB_TIMEOUT',
        `The job will take about ${Math.ceil(estimate.duration_ms / 60_000)} minutes; config.timeout_minutes is ${spec.config.timeout_minutes}.`,
        { place: { field: 'config.timeout_minutes' } },
      ),
    );
  }
}

function megabytes(bytes: number): string {
  return `${Math.ceil(bytes / 2 ** 20)} MiB`;
}

/** Of the file system that a path lies, or will lie, on; null: it does not say. */
async function freeBytesAt(path: string): Promise<number | null> {
  try {
    const { bavail, bsize } = await statfs(path);
    return bavail * bsize;
  } catch {
    return path === dirname(path) ? null : freeBytesAt(dirname(path));
  }
}

function describeInput(spec: JobSpec, input: LookedAtInput, rows: number): Omit<CheckedInput, 'keyless'> {
  const { snapshot, files, sizeBytes, rowsExact, malformed } = input;
  return {
    source: spec.input.source,
    files,
    size_bytes: sizeBytes,
    rows,
    rows_exact: rowsExact || rows < input.rows,
    files_looked_at: snapshot.files.length,
    malformed_lines: malformed,
    prepared: isPrepared(spec.input),
    columns: snapshot.columns.map(({ name, type }) => ({ name, type })),
  };
}

function describeBinding(
  bound: BoundJob,
  columns: readonly SourceColumn[],
  onNull: JobSpec['input']['on_null'],
): CheckedBinding {
  const byName = new Map(columns.map((column) => [column.name, column]));
  const shapes = new Map(bound.signature.inputs.map(({ name, shape }) => [name, shapeText(shape)]));
  const from = new Map<string, string>();
  if (bound.key !== null) from.set(bound.key, 'the key');
  for (const name of bound.include) from.set(name, 'the input');
  for (const { output, column, element, labels, derived } of bound.binding.outputs) {
    const part = element === undefined ? '' : `[${labels?.[element] ?? element}]`;
    const made = derived === undefined ? '' : `, ${derived.softmax ? 'softmax, ' : ''}${derived.give.kind}`;
    from.set(column, `output ${output}${part}${made}`);
  }
  for (const { column } of bound.binding.constants ?? []) from.set(column, 'a constant');
  return {
    inputs: bound.binding.inputs.map(({ input, type, columns: names }) => ({
      input,
      type,
      shape: shapes.get(input) ?? '',
      columns: names.map((name) => {
        const column = byName.get(name);
        return {
          column: name,
          type: column?.type ?? '',
          note: column === undefined ? '' : noteOf(column, type, onNull),
        };
      }),
    })),
    outputs: outputSchema(columns, bound).map(({ name, type }) => ({
      column: name,
      type,
      from: from.get(name) ?? 'the place of the row',
    })),
  };
}

const EXACT_IN_FLOAT32 = /^(U?TINYINT|U?SMALLINT|BOOLEAN|FLOAT)$/;
const EXACT_IN_FLOAT64 = /^(U?TINYINT|U?SMALLINT|U?INTEGER|BOOLEAN|FLOAT|DOUBLE)$/;

/** What happens to values on their way into the model. */
function noteOf(
  { type, neverNull }: SourceColumn,
  wanted: string,
  onNull: JobSpec['input']['on_null'],
): string {
  const element = type.replace(/(\[\d*\])+$/, '');
  const nulls = neverNull ? '' : onNull === 'reject' ? 'a null is a reject' : `a null becomes ${onNull}`;
  let values = 'exact';
  if (wanted === 'float32' && !EXACT_IN_FLOAT32.test(element))
    values = /^(DOUBLE|DECIMAL)/.test(element) ? 'rounded to float32' : 'exact, or a reject';
  else if (wanted === 'float64' && !EXACT_IN_FLOAT64.test(element))
    values = element.startsWith('DECIMAL') ? 'rounded to float64' : 'exact, or a reject';
  else if (wanted === 'float16') values = 'rounded to float16';
  else if (/^u?int/.test(wanted)) values = 'exact, or a reject';
  return [values, nulls].filter((part) => part !== '').join('; ');
}
