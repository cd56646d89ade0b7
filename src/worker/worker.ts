import type { ErrorCode } from '../core/error-codes.ts';
import { asFailure, Failure } from '../core/errors.ts';
import type { Lease } from '../core/lease.ts';
import type { Clock, Random } from '../core/ports.ts';
import type { OutputBinding } from '../core/signature.ts';
import type { Segment } from '../core/snapshot.ts';
import type { WorkerContext } from '../core/wire.ts';
import type { DataEngine } from '../data/engine.ts';
import type { Log } from '../observe/log.ts';
import type { Session } from '../runtimes/runtime.ts';
import type { Storage } from '../storage/storage.ts';
import { batchSizeOf } from './batch-size.ts';
import { outputPlan } from './derive-outputs.ts';
import type { HeldLease, LeaseKeeper } from './lease-keeper.ts';
import type { ManagerLink } from './manager-link.ts';
import { type ScoreShardDeps, type ShardOutcome, scoreShard } from './score-shard.ts';

/** All that a worker meets of the outside. */
export interface WorkerDeps {
  readonly link: ManagerLink;
  readonly storage: Storage;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly startKeeper: (context: WorkerContext) => Promise<LeaseKeeper>;
  readonly openEngine: (context: WorkerContext) => Promise<DataEngine>;
  /** Checks the digest, loads the model, for these of its outputs. */
  readonly openSession: (context: WorkerContext, outputs: readonly OutputBinding[]) => Promise<Session>;
  readonly checkUnchanged: (path: string, context: WorkerContext, segment: Segment) => Promise<void>;
  /** Aborted by SIGTERM: finish the batch in hand, hand the rest back, leave. */
  readonly drain: AbortSignal;
}

/**
 * A worker's life: learn about the job, load the model once, then claim and score shards until there are none.
 *
 * While the next shard is being scored, the part of the last one is hashed, synced and completed: waiting for the disk
 * costs no scoring time. At most one shard is in that phase.
 */
export async function runWorker(deps: WorkerDeps): Promise<void> {
  const context = await awaitContext(deps);
  if (context === null) return;
  const plan = outputPlan(context.bound.binding, context.bound.signature);
  let engine: DataEngine;
  let session: Session;
  let keeper: LeaseKeeper;
  const startingKeeper = deps.startKeeper(context);
  try {
    [engine, session, keeper] = await Promise.all([
      deps.openEngine(context),
      deps.openSession(context, plan.fetched),
      startingKeeper,
    ]);
  } catch (error) {
    // Its thread would hold the process.
    await startingKeeper.then(
      (started) => started.close(),
      () => {},
    );
    await deps.link.startFailed(asFailure(error, 'WORKER_FAILED').toJSON());
    throw error;
  }
  const shardDeps: ScoreShardDeps = {
    context,
    engine,
    session,
    plan,
    storage: deps.storage,
    clock: deps.clock,
    drain: deps.drain,
    batchSize: batchSizeOf(
      Math.min(context.batchSize, context.bound.binding.batchRows ?? Number.POSITIVE_INFINITY),
    ),
    checkUnchanged: (path, segment) => deps.checkUnchanged(path, context, segment),
    suspect: async (lease, rows) => {
      await deps.link.suspect(lease, rows);
    },
  };

  try {
    let finishing: Promise<void> = Promise.resolve();
    while (!deps.drain.aborted) {
      const lease = await claim(deps);
      if (lease === null) break;
      // In careful mode a death is to be expected: it must fall on this shard alone.
      if (lease.careful) await finishing;
      const held = keeper.hold(lease);
      const outcome = await attempt(lease, held, shardDeps, deps);
      await finishing;
      finishing = outcome === null ? Promise.resolve() : finish(lease, held, outcome, deps);
      // Nobody waits for the last one before the loop ends; a rejection must not be reported as unhandled till then.
      finishing.catch(() => {});
      if (lease.careful) await finishing;
    }
    await finishing;
  } finally {
    // Also when the manager refuses: the keeper's thread would hold the process.
    await keeper.close();
    await session[Symbol.asyncDispose]();
    await engine[Symbol.asyncDispose]();
  }
}

async function awaitContext({ link, drain }: WorkerDeps): Promise<WorkerContext | null> {
  while (!drain.aborted) {
    const answer = await link.context();
    if (answer.kind === 'context') return answer.context;
    if (answer.kind === 'done') return null;
  }
  return null;
}

async function claim({ link, random, drain }: WorkerDeps): Promise<Lease | null> {
  while (!drain.aborted) {
    const answer = await link.claim(Buffer.from(random.bytes(12)).toString('hex'));
    if (answer.kind === 'lease') return answer.lease;
    if (answer.kind === 'done') return null;
  }
  return null;
}

/** Null: the attempt failed, and the manager knows. */
async function attempt(
  lease: Lease,
  held: HeldLease,
  shardDeps: ScoreShardDeps,
  { link, log }: WorkerDeps,
): Promise<ShardOutcome | null> {
  try {
    return await scoreShard(lease, held, shardDeps);
  } catch (error) {
    const failure = asFailure(error, 'MODEL_FAILED');
    log.warn(
      { shard: lease.shardId, attempt: lease.attempt, code: failure.code, err: error },
      'attempt failed',
    );
    if (!held.lost.aborted) {
      await link.fail(lease, {
        report: failure.toJSON(),
        suspect: null,
        permanent: PERMANENT.has(failure.code),
      });
    }
    held.drop();
    return null;
  }
}

/** Trying the same shard again cannot help. */
const PERMANENT: ReadonlySet<ErrorCode> = new Set([
  'SOURCE_CHANGED',
  'SOURCE_NOT_FOUND',
  'SOURCE_UNREADABLE',
  'MODEL_CHANGED',
  'DISK_FULL',
  'COLUMN_TYPE',
  'COLUMN_MISSING',
  'ACCOUNTING',
]);

async function finish(
  lease: Lease,
  held: HeldLease,
  outcome: ShardOutcome,
  { link, log }: WorkerDeps,
): Promise<void> {
  try {
    if (held.lost.aborted) return;
    if (outcome.kind === 'nothing') {
      await link.release(lease);
      return;
    }
    const completion = await outcome.seal();
    const answer = await (outcome.whole ? link.complete(lease, completion) : link.split(lease, completion));
    log.info(
      { shard: lease.shardId, attempt: lease.attempt, counts: completion.counts, answer },
      'shard finished',
    );
  } catch (error) {
    const failure = asFailure(error, 'STORAGE_FAILED');
    log.warn(
      { shard: lease.shardId, attempt: lease.attempt, code: failure.code, err: error },
      'part not stored',
    );
    await link.fail(lease, {
      report: failure.toJSON(),
      suspect: null,
      permanent: failure.code === 'DISK_FULL',
    });
  } finally {
    held.drop();
  }
}

/** For `openSession`: the bytes that are about to be loaded must be those that the job was submitted with. */
export function refuseOtherModel(reference: string, expected: string, found: string): void {
  if (expected === found) return;
  throw new Failure(
    'MODEL_CHANGED',
    `The stored copy of model ${reference} has digest ${found}, not ${expected}.`,
  );
}
