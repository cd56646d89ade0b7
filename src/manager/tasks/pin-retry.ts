import { bindConstants } from '../../core/bind-constants.ts';
import type { BoundJob } from '../../core/bound.ts';
import { declaredType } from '../../core/column-type.ts';
import { Failure } from '../../core/errors.ts';
import { rejectLimit } from '../../core/failure-rules.ts';
import type { StoredFile } from '../../core/lease.ts';
import {
  answeredCounts,
  countsOfParts,
  type RepairedFile,
  type RetryBase,
  type RetryParent,
  requireBaseBalances,
  type TakenFile,
  takenCounts,
  uncoveredRanges,
  wholeFiles,
} from '../../core/retry.ts';
import { type Snapshot, type SnapshotFile, segmentsOf, wholeFile } from '../../core/snapshot.ts';
import type { TaskRetry, TaskWork } from '../../core/wire.ts';
import type { RepairedTable } from '../../data/retry-rows.ts';
import { isPrepared } from '../../sources/prepare.ts';
import { sources } from '../../sources/sources.ts';
import type { InputSpec, JobSpec } from '../../spec/job-spec.ts';
import type { StagedObject } from '../../storage/storage.ts';
import type { PinDeps } from './pin.ts';

export interface PinnedRetry {
  readonly snapshot: Snapshot;
  readonly bound: BoundJob;
  readonly base: RetryBase;
}

/**
 * Pins a partial retry: gathers the rows that are to be scored from the parent's rejects, from repaired files and from
 * the parts of the input that were never scored, into Parquet files of its own; and gives the parent's accepted files a
 * second name in its workspace. From there on it needs neither the parent's files nor the repaired ones. The model and what feeds
 * it are those that the parent pinned.
 *
 * Fails with RETRY_EXPIRED, RETRY_PART_CHANGED, RETRY_KEY_*, RETRY_UNSUPPORTED, COLUMN_MISSING, COLUMN_TYPE, SOURCE_*, ERROR_BUDGET_EXCEEDED, RETRY_NOTHING.
 */
export async function pinRetry(
  { job, lease: { fence } }: TaskWork,
  retry: TaskRetry & { readonly parent: RetryParent },
  deps: GatherDeps,
  signal: AbortSignal,
): Promise<PinnedRetry> {
  const { storage } = deps;
  for (const folder of ['input', 'taken'])
    for (let earlier = 1; earlier < fence; earlier += 1)
      await storage.remove(`${job.workspace}/${folder}/${earlier}`);
  const gathering: Gathering = {
    retry,
    parent: retry.parent,
    input: (job.spec as JobSpec).input,
    deps,
    signal,
    rowsFolder: `${job.workspace}/input/${fence}`,
    takenFolder: `${job.workspace}/taken/${fence}`,
  };
  await requireModel(gathering);
  const { base: before, parts } = retry.parent;
  const rejects = await takeAll('rejects', gathering);
  const scored = await takeAll('parts', gathering);
  const split = await partRejects(rejects, scored, gathering);
  const missing = await gatherMissing(gathering);
  const files = [...split.files, ...missing];
  const own = files.reduce((sum, { rows }) => sum + rows, 0);
  const counts = takenCounts(answeredCounts(countsOfParts(parts), before), split.retried);
  const base: RetryBase = {
    counts,
    parts: scored,
    rejects: split.carried === null ? [] : [split.carried],
    inputs: [...(before?.inputs ?? []), inputOf(retry.parent)],
  };
  requireBaseBalances(base, own, retry.parent.rows + (before?.counts.read ?? 0));
  refuseHopeless(own, base, job.spec as JobSpec, retry);
  const { bound, snapshot } = retry.parent;
  const constants = bindConstants((job.spec as JobSpec).output, job, bound.model);
  return {
    base,
    snapshot: {
      files,
      columns: snapshot.columns.map((column) => ({ ...column, neverNull: false })),
      rows: own,
    },
    bound: {
      ...bound,
      binding: { ...bound.binding, ...(constants.length === 0 ? {} : { constants }) },
      gathered: { placed: bound.key === null, showsMalformed: showsMalformed(retry.parent) },
    },
  };
}

type GatherDeps = Pick<PinDeps, 'storage' | 'engine' | 'parallelFiles'>;

interface Gathering {
  readonly retry: TaskRetry;
  readonly parent: RetryParent;
  readonly input: InputSpec;
  readonly deps: GatherDeps;
  readonly signal: AbortSignal;
  /** Storage keys below which this attempt alone writes. */
  readonly rowsFolder: string;
  readonly takenFolder: string;
}

async function requireModel({ parent, deps }: Gathering): Promise<void> {
  const { key, reference } = parent.bound.model;
  if ((await deps.storage.stat(key)) !== null) return;
  throw new Failure(
    'MODEL_CHANGED',
    `The model that job ${parent.jobId} has scored with, ${reference}, is no longer kept.`,
    {
      next: `Score everything again: batchwright retry ${parent.jobId} --mode complete`,
    },
  );
}

function showsMalformed({ snapshot, bound }: RetryParent): boolean {
  return (
    bound.gathered?.showsMalformed === true ||
    snapshot.files.some(({ original }) => (original?.malformed ?? 0) > 0)
  );
}

/** Second names for accepted files, so that neither job's clean-up touches the other. */
async function takeAll(
  kind: 'parts' | 'rejects',
  { deps, parent, takenFolder, signal }: Gathering,
): Promise<TakenFile[]> {
  const taken: TakenFile[] = [];
  for (const [index, each] of wholeFiles(kind, parent).entries()) {
    signal.throwIfAborted();
    const key = `${takenFolder}/${kind}/${String(index).padStart(6, '0')}.parquet`;
    const { sha256, sizeBytes } = await deps.storage.link(each.file.key, key).catch((error: unknown) => {
      if (!(error instanceof Failure) || error.code !== 'SOURCE_NOT_FOUND') throw error;
      throw new Failure(
        'RETRY_EXPIRED',
        `The part ${each.file.key} of job ${parent.jobId} is no longer there.`,
        {
          place: { file: each.file.key },
          cause: error,
        },
      );
    });
    if (sha256 !== each.file.sha256 || sizeBytes !== each.file.sizeBytes) {
      throw new Failure(
        'RETRY_PART_CHANGED',
        `The part ${each.file.key} of job ${parent.jobId} is not the one that was accepted (SHA-256).`,
        {
          place: { file: each.file.key },
          next: `Score everything again: batchwright retry ${parent.jobId} --mode complete`,
        },
      );
    }
    taken.push({ ...each, file: { ...each.file, key } });
  }
  return taken;
}

interface PartedRejects {
  readonly files: readonly SnapshotFile[];
  /** Rejects of the parent that are scored again. */
  readonly retried: number;
  /** Those that stay. */
  readonly carried: TakenFile | null;
}

async function partRejects(
  rejects: readonly TakenFile[],
  scored: readonly TakenFile[],
  gathering: Gathering,
): Promise<PartedRejects> {
  const { parent, retry, deps, rowsFolder, takenFolder } = gathering;
  const repaired = retry.repaired.length === 0 ? null : await readRepaired(retry.repaired, gathering);
  if (rejects.length === 0) {
    if (repaired !== null)
      throw new Failure(
        'RETRY_NOTHING',
        `Job ${parent.jobId} has rejected no record that could be repaired.`,
      );
    return { files: [], retried: 0, carried: null };
  }
  const { storage, engine } = deps;
  const paths = (files: readonly TakenFile[]) =>
    Promise.all(files.map(({ file }) => storage.localPath(file.key)));
  const rowsKey = `${rowsFolder}/retried.parquet`;
  const carriedKey = `${takenFolder}/carried.parquet`;
  const [rowsTo, carriedTo] = [await storage.stage(rowsKey), await storage.stage(carriedKey)];
  try {
    const { rows, carried } = await engine.retryRows({
      columns: parent.snapshot.columns,
      key: parent.bound.key,
      rejects: await paths(rejects),
      scored: await paths(scored),
      repaired,
      rowsTo: rowsTo.path,
      carriedTo: carriedTo.path,
    });
    return {
      files: rows === 0 ? [] : [await sealRows(rowsKey, rowsTo, gathering)],
      retried: rows,
      carried:
        carried === 0
          ? null
          : { jobId: parent.jobId, shard: null, file: await sealFile(carriedKey, carriedTo, carried) },
    };
  } finally {
    await rowsTo.discard();
    await carriedTo.discard();
  }
}

async function sealFile(key: string, staged: StagedObject, rows: number): Promise<StoredFile> {
  const { sizeBytes, sha256 } = await staged.seal();
  return { key, rows, sizeBytes, sha256 };
}

/** A file that workers will read, with the types that the parent's had. */
async function sealRows(
  key: string,
  staged: StagedObject,
  { deps, parent, signal }: Gathering,
): Promise<SnapshotFile> {
  await staged.seal();
  const path = await deps.storage.localPath(key);
  const { files, columns } = await sources.parquet.pin(parquetAt(path), { ...deps, workspace: '', signal });
  const [file] = files;
  if (file === undefined) throw new Error('a file that was just written was not found');
  const found = new Map(columns.map(({ name, type }) => [name, type]));
  const wrong = parent.snapshot.columns.find(({ name, type }) => found.get(name) !== type);
  if (wrong !== undefined) {
    throw new Failure(
      'RETRY_UNSUPPORTED',
      `Column "${wrong.name}" (${wrong.type}) cannot be written and read again exactly, so that its rows cannot be gathered.`,
      {
        place: { field: wrong.name },
        next: `Score everything again: batchwright retry ${parent.jobId} --mode complete`,
      },
    );
  }
  const { partition: _, ...plain } = file;
  return plain;
}

/** The pieces of the input that no accepted shard covers, each as a file of its own. */
async function gatherMissing(gathering: Gathering): Promise<SnapshotFile[]> {
  const { parent, deps, rowsFolder, signal } = gathering;
  const { files } = parent.snapshot;
  const segments = uncoveredRanges(
    parent.rows,
    parent.parts.map(({ range }) => range),
  ).flatMap((range) => segmentsOf(files, range));
  const gathered: SnapshotFile[] = [];
  for (const [index, segment] of segments.entries()) {
    signal.throwIfAborted();
    const { key, original, partition } = files[segment.file] as SnapshotFile;
    const isMalformed = (original?.malformed ?? 0) > 0;
    const to = `${rowsFolder}/missing-${String(index).padStart(6, '0')}.parquet`;
    const staged = await deps.storage.stage(to);
    try {
      await deps.engine.missingRows({
        columns: parent.snapshot.columns,
        key: parent.bound.key,
        segment: {
          ...segment,
          path: await deps.storage.localPath(key),
          sourceName: original?.key ?? key,
          ...(parent.bound.gathered?.placed === true ? { placed: true } : {}),
          ...(isMalformed && original !== undefined ? { malformedIn: original.path } : {}),
          ...(original?.piece === undefined ? {} : { piece: original.piece }),
          ...(partition === undefined ? {} : { partition }),
        },
        to: staged.path,
      });
      const file = await sealRows(to, staged, gathering);
      if (file.rows !== segment.end - segment.start)
        throw new Failure(
          'ACCOUNTING',
          `${file.rows} of ${segment.end - segment.start} rows of ${key} were gathered.`,
          { place: { file: key } },
        );
      gathered.push(original === undefined ? file : { ...file, original: wholeFile(original) });
    } finally {
      await staged.discard();
    }
  }
  return gathered;
}

/** Repaired files as Parquet: text is read as any input is, with the types of the input where they can be said. */
async function readRepaired(
  repaired: readonly RepairedFile[],
  { parent, input, deps, rowsFolder, signal }: Gathering,
): Promise<RepairedTable[]> {
  const tables: RepairedTable[] = [];
  const what = isPrepared(input)
    ? 'the prepared input, as repaired records are not prepared again'
    : 'the input';
  for (const [index, { path, sha256, sizeBytes }] of repaired.entries()) {
    const source = sourceOf(path);
    const types = Object.fromEntries(
      parent.snapshot.columns.flatMap(({ name, type }) =>
        declaredType(type) === type && !(source === 'csv' && type.endsWith('[]')) ? [[name, type]] : [],
      ),
    );
    const snapshot = await sources[source]
      .pin(
        { ...parquetAt(path), source, ...(source === 'parquet' ? {} : { types }) },
        { ...deps, workspace: `${rowsFolder}/repaired-${index}`, signal },
      )
      .catch((error: unknown) => {
        if (!(error instanceof Failure) || error.code !== 'COLUMN_MISSING') throw error;
        // Its own words are about `input.types`, which nobody wrote here.
        throw new Failure(
          'COLUMN_MISSING',
          `${path} has not all columns of ${what}: ${Object.keys(types).join(', ')}.`,
          {
            place: { file: path },
            next: 'Keep all columns of the input that `batchwright rejects` has exported.',
            cause: error,
          },
        );
      });
    const [file] = snapshot.files;
    if (file === undefined) throw new Error('a repaired file was not found');
    const { original, identity } = file;
    const same = original === undefined ? identity.sizeBytes === sizeBytes : original.sha256 === sha256;
    if (!same)
      throw new Failure('SOURCE_CHANGED', `${path} changed since the retry was submitted.`, {
        place: { file: path },
        next: 'Give the retry again.',
      });
    const local = await deps.storage.localPath(file.key);
    if (original !== undefined && original.malformed > 0) {
      const first = await deps.engine.firstMalformed(local);
      throw new Failure('SOURCE_CORRUPT', `Line ${first.line} of ${path} ${first.problem}.`, {
        place: { file: path, line: first.line },
        next: 'Correct the line, and retry again.',
      });
    }
    tables.push({ path: local, shown: path });
  }
  return tables;
}

function sourceOf(path: string): InputSpec['source'] {
  const [, kind] = /\.(parquet|csv|jsonl)(?:\.gz|\.zst)?$/.exec(path) ?? [];
  if (kind !== undefined) return kind as InputSpec['source'];
  throw new Failure('RETRY_UNSUPPORTED', `${path} ends neither in .parquet nor in .csv or .jsonl.`, {
    place: { file: path },
    next: 'Give the repaired records as `batchwright rejects JOB --to repair.csv` exports them.',
  });
}

function parquetAt(path: string): InputSpec {
  return { source: 'parquet', path: [path], unique_key: false, on_null: 'reject' };
}

function inputOf({ jobId, snapshot }: RetryParent): RetryBase['inputs'][number] {
  return { jobId, rows: snapshot.rows, files: snapshot.files.map(({ rowGroups: _, ...file }) => file) };
}

/**
 * What is taken over as rejected counts against the budget of the whole result. With nothing to score there must be
 * something to publish: a parent whose rows all have an answer, and that failed or was cancelled all the same.
 */
function refuseHopeless(
  own: number,
  base: RetryBase,
  { config }: JobSpec,
  { job: parentId, replaces }: TaskRetry,
): void {
  if (own === 0 && replaces === parentId) {
    throw new Failure(
      'RETRY_NOTHING',
      `Job ${parentId} has only malformed records left, which have to be repaired first.`,
      {
        next: `batchwright rejects ${parentId} --to repair.csv, correct it, then: batchwright retry ${parentId} --repaired repair.csv`,
      },
    );
  }
  const limit = rejectLimit(config.error_budget, base.counts.read + own);
  if (base.counts.rejected <= limit) return;
  throw new Failure(
    'ERROR_BUDGET_EXCEEDED',
    `${base.counts.rejected} rejects are not among the repaired records and config.error_budget allows ${limit}.`,
    {
      next: `Repair more of them, or allow that many: batchwright retry ${parentId} --error-budget ${base.counts.rejected} ...`,
    },
  );
}
