import type { ErrorCode } from '../core/error-codes.ts';
import { Failure } from '../core/errors.ts';
import type { Completion, Lease, StoredFile, Timings } from '../core/lease.ts';
import type { Clock } from '../core/ports.ts';
import { type RowRange, rangeRows, type Segment, segmentsOf } from '../core/snapshot.ts';
import type { WorkerContext } from '../core/wire.ts';
import type { DataEngine, RejectedRow, ShardReader, ShardSegment } from '../data/engine.ts';
import type { Session } from '../runtimes/runtime.ts';
import type { StagedObject, Storage } from '../storage/storage.ts';
import type { BatchSize } from './batch-size.ts';
import { type OutputPlan, storedColumns } from './derive-outputs.ts';
import type { HeldLease } from './lease-keeper.ts';
import { scoreBatch } from './score-batch.ts';

export interface ScoreShardDeps {
  readonly context: WorkerContext;
  readonly engine: DataEngine;
  readonly session: Session;
  /** Of the job's binding; `session` was opened for what it fetches. */
  readonly plan: OutputPlan;
  readonly storage: Storage;
  readonly clock: Clock;
  readonly batchSize: BatchSize;
  /** Compares a file with what was pinned; fails with SOURCE_CHANGED. */
  readonly checkUnchanged: (path: string, segment: Segment) => Promise<void>;
  /** Notes the rows about to be given to the model (careful mode); null: none are in it any more. */
  readonly suspect: (lease: Lease, rows: RowRange | null) => Promise<void>;
  /** Aborted when the worker is to stop: the shard is cut after the batch in hand. */
  readonly drain: AbortSignal;
}

/**
 * What became of an attempt. 'written': the part lies in staging; `seal` makes it durable and says what to tell the
 * ledger, `whole` or only a prefix. 'nothing': no row was done, the lease goes back.
 */
export type ShardOutcome =
  | { readonly kind: 'written'; readonly whole: boolean; readonly seal: () => Promise<Completion> }
  | { readonly kind: 'nothing' };

/**
 * Scores the rows of one lease: reads, batches, infers, writes the part. Stops early, at a row, when the lease says
 * `until`, when the worker drains, or when more records were rejected than the job can take.
 */
export async function scoreShard(lease: Lease, held: HeldLease, deps: ScoreShardDeps): Promise<ShardOutcome> {
  const { context, storage } = deps;
  const segments = await Promise.all(
    segmentsOf(context.snapshot.files, lease.range).map(async (segment): Promise<ShardSegment> => {
      const { key, original, partition } = fileOf(context, segment);
      return {
        ...segment,
        path: await storage.localPath(key),
        sourceName: original?.key ?? key,
        ...(original === undefined || original.malformed === 0
          ? {}
          : {
              malformedIn: original.path,
              malformedUnit: original.database === undefined ? 'Line' : 'Row',
            }),
        ...(context.bound.gathered?.placed === true ? { placed: true } : {}),
        ...(original?.piece === undefined ? {} : { piece: original.piece }),
        ...(partition === undefined ? {} : { partition }),
      };
    }),
  );
  await checkFiles(segments, deps);

  const reader = await deps.engine.openShard({
    range: lease.range,
    segments,
    columns: context.snapshot.columns,
    features: context.bound.binding.inputs.flatMap(({ columns, type, list }) =>
      columns.map((column) => ({ column, type, ...(list === undefined ? {} : { list }) })),
    ),
    ...(context.bound.where === null ? {} : { where: context.bound.where }),
    onNull: context.onNull === 'nan' ? Number.NaN : context.onNull,
    ...(context.bound.key === null ? {} : { key: context.bound.key }),
    include: context.bound.include,
    showsMalformed:
      context.bound.gathered?.showsMalformed === true ||
      context.snapshot.files.some(({ original }) => (original?.malformed ?? 0) > 0),
  });
  try {
    const timings = { readMs: 0, modelMs: 0, writeMs: 0 };
    const end = await scoreRows(lease, held, reader, deps, timings);
    if (held.lost.aborted || end === lease.range.start) return { kind: 'nothing' };
    return await writePart(lease, segments, reader, end, deps, timings);
  } finally {
    await reader[Symbol.asyncDispose]();
  }
}

/** Each file once, however many of its pieces are among the segments. */
async function checkFiles(segments: readonly ShardSegment[], deps: ScoreShardDeps): Promise<void> {
  const byPath = new Map(segments.map((segment) => [segment.path, segment]));
  for (const [path, segment] of byPath) await deps.checkUnchanged(path, segment);
}

/** Returns the row up to which every record has its answer. */
async function scoreRows(
  lease: Lease,
  held: HeldLease,
  reader: ShardReader,
  deps: ScoreShardDeps,
  timings: { readMs: number; modelMs: number },
): Promise<number> {
  const { context, clock } = deps;
  let ownRejects = 0;
  const answers = {
    append: reader.append.bind(reader),
    reject: (row: RejectedRow) => {
      ownRejects += 1;
      reader.reject(row);
    },
  };
  const exhausted = () => ownRejects + reader.rejects.length > lease.rejectsLeft;
  const careful = lease.careful ? Math.ceil(rangeRows(lease.range) / 2) : Number.POSITIVE_INFINITY;

  for (;;) {
    const beforeRead = clock.monotonicMs();
    const batch = await reader.next(Math.min(deps.batchSize.rows, careful));
    const afterRead = clock.monotonicMs();
    timings.readMs += afterRead - beforeRead;
    if (batch === null) return lease.range.end;

    let covered: number;
    if (lease.condemned !== null) {
      covered = rejectAll(batch.rowNumbers, lease.condemned, answers.reject);
    } else {
      covered = await scoreBatch(batch, {
        session: deps.session,
        answers,
        allowNonFinite: context.allowNonFinite,
        derive: deps.plan.derive,
        signal: held.lost,
        exhausted,
        outOfMemory: (rows) => deps.batchSize.tooLarge(rows),
        guard: async (rows, call) => {
          if (lease.careful) await deps.suspect(lease, rows);
          held.enterModel(rows);
          try {
            await call();
          } finally {
            held.leaveModel();
          }
          if (lease.careful) await deps.suspect(lease, null);
        },
      });
    }
    timings.modelMs += clock.monotonicMs() - afterRead;
    held.progress({ rows: covered - lease.range.start, rejected: ownRejects + reader.rejects.length });

    if (exhausted() || held.lost.aborted) return covered;
    const until = held.until();
    if (until !== null && covered >= until) return covered;
    if (deps.drain.aborted) return covered;
  }
}

function rejectAll(
  rowNumbers: Float64Array,
  report: { readonly code: ErrorCode; readonly message: string },
  reject: (row: RejectedRow) => void,
): number {
  for (const rowNumber of rowNumbers) reject({ rowNumber, code: report.code, message: report.message });
  return (rowNumbers.at(-1) as number) + 1;
}

/**
 * Writing reads the input once more, for key, included columns and rejects: so the files are compared after it, not before.
 */
async function writePart(
  lease: Lease,
  segments: readonly ShardSegment[],
  reader: ShardReader,
  end: number,
  deps: ScoreShardDeps,
  timings: Timings,
): Promise<ShardOutcome> {
  const { context, storage, clock } = deps;
  const name = `${String(lease.shardId).padStart(6, '0')}-${lease.attempt}`;
  const part = await storage.stage(`${context.stagingPrefix}/parts/${name}.parquet`);
  const rejects = await storage.stage(`${context.stagingPrefix}/rejects/${name}.parquet`);
  const begun = clock.monotonicMs();
  let written: Awaited<ReturnType<ShardReader['write']>>;
  try {
    written = await reader.write({
      end,
      outputs: storedColumns(context.bound.binding),
      constants: context.bound.binding.constants ?? [],
      partPath: part.path,
      rejectsPath: rejects.path,
      attempt: lease.attempt,
    });
    await checkFiles(segments, deps);
  } catch (error) {
    await part.discard();
    await rejects.discard();
    throw error;
  }
  const { counts, hasPart, hasRejects, sampleRejects } = written;
  const writeMs = clock.monotonicMs() - begun;
  return {
    kind: 'written',
    whole: end === lease.range.end,
    seal: async () => ({
      range: { start: lease.range.start, end },
      counts,
      part: await sealOrDiscard(
        part,
        hasPart,
        `${context.stagingPrefix}/parts/${name}.parquet`,
        counts.scored,
      ),
      rejects: await sealOrDiscard(
        rejects,
        hasRejects,
        `${context.stagingPrefix}/rejects/${name}.parquet`,
        counts.rejected,
      ),
      timings: { ...timings, writeMs },
      sampleRejects,
    }),
  };
}

async function sealOrDiscard(
  object: StagedObject,
  keep: boolean,
  key: string,
  rows: number,
): Promise<StoredFile | null> {
  if (!keep) {
    await object.discard();
    return null;
  }
  const { sizeBytes, sha256 } = await object.seal();
  return { key, rows, sizeBytes, sha256 };
}

function fileOf(context: WorkerContext, segment: Segment): WorkerContext['snapshot']['files'][number] {
  const file = context.snapshot.files[segment.file];
  if (file === undefined)
    throw new Failure(
      'ACCOUNTING',
      `The lease names file ${segment.file}, which the snapshot does not have.`,
    );
  return file;
}
