import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { createDataEngine } from '../../data/duckdb-engine.ts';
import { bindJob } from '../../manager/tasks/bind-job.ts';
import { outputSchema } from '../../manager/tasks/output-schema.ts';
import { searchFolders } from '../../sources/files/expand-paths.ts';
import { inputPaths, isPrepared, requireKey } from '../../sources/prepare.ts';
import type { JobSpec } from '../../spec/job-spec.ts';
import { createLocalStorage } from '../../storage/local.ts';
import { databaseAccess } from '../config-file.ts';
import { WHOLE_FILE_SYSTEM } from '../embedded-manager.ts';
import { localSink } from '../local-sink.ts';
import { registryOver } from '../registry-over.ts';
import { systemClock } from '../system-ports.ts';
import type { CheckResult } from './check-result.ts';
import { describeBinding } from './describe-binding.ts';
import { createFindings } from './findings.ts';
import { keysBeside } from './keys-beside.ts';
import { judgeEstimate, lookAhead } from './look-ahead.ts';
import { freeBytesAt, lookAtDestination, lookAtUnfinished } from './look-at-destination.ts';
import { describeInput, lookAtInput } from './look-at-input.ts';
import { describeModel, lookAtModel } from './look-at-model.ts';
import { lookAtSample } from './look-at-sample.ts';
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
  /** The configuration file; null: there is none. */
  readonly config: string | null;
  /** Told what is being done, for people who wait. */
  readonly doing: (what: string) => void;
}

/** Footers, and text that is turned into Parquet. */
const ENGINE_MEMORY_MB = 1_024;
const JOB_ID = 'job-check';

/**
 * Looks at everything that a job would meet, as far as that can be told beforehand, and scores a sample. Changes nothing,
 * neither in the state folder nor at the destination. Goes on after a problem wherever more can be told.
 */
export async function checkJob(
  spec: JobSpec,
  options: CheckOptions,
  signal: AbortSignal,
): Promise<CheckResult> {
  const { scratch, doing, adopt } = options;
  const findings = createFindings();
  const { attempt, warnings } = findings;
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
  await attempt(() => requireKey(spec.input, model?.resolved.registered?.model.contract.key));
  const input = await attempt(() =>
    lookAtInput(spec.input, options, {
      storage,
      engine,
      parallelFiles: threads,
      signal,
      ...databaseAccess(options.config, { threads, memoryLimitMb: ENGINE_MEMORY_MB, tempDir: scratch }),
    }),
  );
  const rows = Math.min(spec.input.limit ?? Number.POSITIVE_INFINITY, input?.rows ?? 0);
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
          findings.refuse,
        );
  warnings.push(...(settled?.bound.binding.warnings ?? []));
  if (input !== null && rows === 0) warnings.push('The input has no rows: the result will have none.');

  const resumes = options.fresh
    ? null
    : await attempt(() => lookAtUnfinished(spec, ledger, registry, storage));
  const before = findings.problems.size;
  const jobId = resumes ?? JOB_ID;
  await attempt(() => lookAtDestination(spec, { jobId, adopt }, ledger, storage));
  if (settled !== null) {
    const columns = outputSchema(settled.columns, settled.bound);
    await attempt(() => localSink(storage).checkColumns({ jobId, spec }, columns, { engine, signal }));
  }
  const usable = findings.problems.size === before;

  const job = settled === null || input === null ? null : { jobId: JOB_ID, spec, input, settled, rows };
  if (job !== null && rows > 0) doing('Scoring a sample');
  const sampled =
    job === null || rows === 0 ? null : await lookAtSample(job, options, storage, findings, signal);
  const estimate = job === null || sampled === null ? null : lookAhead(job, sampled.scored);
  if (estimate === null && sampled?.scored.problems.length === 0)
    warnings.push('The speed could not be measured, so there is no estimate.');
  const freeBytes = await freeBytesAt(spec.output.path);
  if (estimate !== null) {
    const state = resolve(options.state);
    const rooms = [
      { path: spec.output.path, freeBytes },
      { path: state, freeBytes: await freeBytesAt(state) },
    ];
    judgeEstimate(estimate, spec, rooms, findings);
  }

  return {
    ready: findings.problems.size === 0,
    problems: [...findings.problems.values()],
    warnings,
    model: model === null ? null : describeModel(spec.model_id, model),
    input:
      input === null
        ? null
        : {
            ...describeInput(spec.input, input, rows),
            keyless:
              spec.input.key !== undefined ||
              model?.resolved.registered?.model.contract.key !== undefined ||
              isPrepared(spec.input)
                ? null
                : await attempt(() => keysBeside(settled?.bound, input, storage)),
          },
    binding: settled === null ? null : describeBinding(settled, spec.input.on_null),
    sample: sampled?.sample ?? null,
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
