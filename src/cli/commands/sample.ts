import { readFileSync } from 'node:fs';
import { asFailure } from '../../core/errors.ts';
import type { Completion, Lease } from '../../core/lease.ts';
import { createLocalStorage } from '../../storage/local.ts';
import { batchSizeOf } from '../../worker/batch-size.ts';
import { outputPlan } from '../../worker/derive-outputs.ts';
import { type ScoreShardDeps, scoreShard } from '../../worker/score-shard.ts';
import type { SampleMessage, SamplePiece, SampleRequest, Timed } from '../check/sample-protocol.ts';
import { endWithParent } from '../end-with-parent.ts';
import { scratchFolder } from '../scratch-folder.ts';
import { systemClock } from '../system-ports.ts';
import { checkSegment, openWorkerEngine, openWorkerSession } from '../worker-parts.ts';

/**
 * A sampling process: scores some rows as a worker would, without a manager. Whoever started it watches it, hears which
 * rows are in the model, and takes what it wrote.
 */
export async function sampleCommand(requestFile: string, storageRoot: string): Promise<number> {
  endWithParent();
  const { context, pieces, timing } = JSON.parse(readFileSync(requestFile, 'utf8')) as SampleRequest;
  const storage = createLocalStorage({ root: storageRoot });
  const scratch = scratchFolder();
  try {
    const plan = outputPlan(context.bound.binding, context.bound.signature);
    await using engine = await openWorkerEngine(context, storage, scratch.path);
    await using session = await openWorkerSession(
      context,
      plan.fetched,
      storage,
      new AbortController().signal,
    );
    const deps: Omit<ScoreShardDeps, 'drain'> = {
      context,
      engine,
      session,
      plan,
      storage,
      clock: systemClock,
      batchSize: batchSizeOf(
        Math.min(context.batchSize, context.bound.binding.batchRows ?? Number.POSITIVE_INFINITY),
      ),
      checkUnchanged: (path, segment) => checkSegment(path, context, segment),
      suspect: (_lease, rows) => tell(rows === null ? { type: 'answered' } : { type: 'in-model', rows }),
    };
    await tell({ type: 'ready' });
    for (const piece of pieces) await tell(await scorePiece(piece, deps));
    const timed = timing === null ? null : await time(timing, deps);
    await tell({ type: 'done', timed, peakMemoryBytes: process.resourceUsage().maxRSS * 1_024 });
  } catch (error) {
    await tell({ type: 'refused', failure: asFailure(error, 'WORKER_FAILED').toJSON() });
  } finally {
    scratch.remove();
    process.disconnect?.();
  }
  return 0;
}

async function scorePiece(
  { id, range, condemned }: SamplePiece,
  deps: Omit<ScoreShardDeps, 'drain'>,
): Promise<SampleMessage> {
  const lease: Lease = { ...NOBODYS, shardId: id, range, condemned, careful: true };
  try {
    return { type: 'scored', id, completion: await score(lease, deps, new AbortController().signal) };
  } catch (error) {
    return { type: 'failed', id, failure: asFailure(error, 'MODEL_FAILED').toJSON() };
  }
}

/** Null: not a row was done. */
async function time(
  { range, forMs }: NonNullable<SampleRequest['timing']>,
  deps: Omit<ScoreShardDeps, 'drain'>,
): Promise<Timed | null> {
  const lease: Lease = { ...NOBODYS, shardId: TIMED, range, condemned: null, careful: false };
  const since = systemClock.monotonicMs();
  const { counts, part } = await score(lease, deps, AbortSignal.timeout(forMs));
  const elapsedMs = systemClock.monotonicMs() - since;
  return counts.read === 0 ? null : { rows: counts.read, elapsedMs, partBytes: part?.sizeBytes ?? 0 };
}

const TIMED = 999_999;
const NOBODYS = {
  tenant: 'default',
  jobId: 'check',
  attempt: 1,
  rejectsLeft: Number.MAX_SAFE_INTEGER,
} as const;

async function score(
  lease: Lease,
  deps: Omit<ScoreShardDeps, 'drain'>,
  drain: AbortSignal,
): Promise<Completion> {
  const held = {
    lease,
    lost: new AbortController().signal,
    until: () => null,
    progress: () => {},
    enterModel: () => {},
    leaveModel: () => {},
    drop: () => {},
  };
  const outcome = await scoreShard(lease, held, { ...deps, drain });
  if (outcome.kind === 'nothing') throw new Error('a shard without rows was scored');
  return await outcome.seal();
}

/** Resolves once the message has left this process: what dies next, dies after it. */
function tell(message: SampleMessage): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined) throw new Error('a sampling process is started by `batchwright check`');
    process.send(message, undefined, undefined, () => resolve());
  });
}
