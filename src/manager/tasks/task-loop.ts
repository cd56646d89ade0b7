import { ERROR_CODES } from '../../core/error-codes.ts';
import { asFailure, Failure } from '../../core/errors.ts';
import type { TaskRef } from '../../core/lease.ts';
import type { Clock, Random } from '../../core/ports.ts';
import type { TaskLink } from '../../core/task-link.ts';
import type { TaskWork } from '../../core/wire.ts';
import type { Log } from '../../observe/log.ts';

export interface TaskLoopDeps {
  readonly link: TaskLink;
  readonly worker: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Does the work and reports it. `signal` is aborted when the lease is lost. */
  readonly perform: (work: TaskWork, signal: AbortSignal) => Promise<void>;
}

/**
 * It is not known whether the work has had its effect. That is no failure of the task: the process ends instead, and the
 * next one looks what is there.
 */
export class OutcomeUnknown extends Error {}

/** The life of a task process: does what the job asks for, one task after the other, until the job has ended. */
export async function runTasks(deps: TaskLoopDeps): Promise<void> {
  for (;;) {
    const answer = await deps.link.claim(deps.worker, Buffer.from(deps.random.bytes(12)).toString('hex'));
    if (answer.kind === 'done') return;
    if (answer.kind === 'task') await underLease(answer.work, deps);
  }
}

async function underLease(work: TaskWork, { link, clock, log, perform }: TaskLoopDeps): Promise<void> {
  const { lease } = work;
  const lost = new AbortController();
  const ended = new AbortController();
  const keeping = keepLease(lease, work.leaseMs, link, clock, lost, ended.signal);
  try {
    log.info({ jobId: lease.jobId, task: lease.kind, fence: lease.fence }, 'task begins');
    await perform(work, lost.signal);
    log.info({ jobId: lease.jobId, task: lease.kind, fence: lease.fence }, 'task done');
  } catch (error) {
    if (lost.signal.aborted) return;
    if (error instanceof OutcomeUnknown) throw error;
    const failure = asFailure(error);
    log.error({ jobId: lease.jobId, task: lease.kind, code: failure.code, err: error }, 'task failed');
    await link.fail(lease, failure.toJSON(), ERROR_CODES[failure.code].scope === 'job');
  } finally {
    ended.abort();
    await keeping;
  }
}

/**
 * Renews the lease until the task has ended; aborts `lost` when the manager says so or was silent for a lease time. A
 * task's event loop is free while it works (the engine works in threads of its own), so no thread is needed for this.
 */
async function keepLease(
  lease: TaskRef,
  leaseMs: number,
  link: TaskLink,
  clock: Clock,
  lost: AbortController,
  ended: AbortSignal,
): Promise<void> {
  let confirmedMs = clock.monotonicMs();
  while (!ended.aborted) {
    await clock.sleep(leaseMs / 4, ended);
    if (ended.aborted) return;
    const sentMs = clock.monotonicMs();
    const answer = await link.renew(lease, leaseMs / 4).catch((error: unknown) => error as Failure);
    if (answer === 'held') confirmedMs = sentMs;
    if (answer === 'lost' || clock.monotonicMs() - confirmedMs > leaseMs * 0.9) {
      lost.abort(new Failure('WORKER_LOST', 'The lease of the task was lost.'));
      return;
    }
  }
}
