import type { WorkerExit } from '../compute/compute.ts';
import { asFailure, Failure } from '../core/errors.ts';
import { backoffMs } from '../core/failure-rules.ts';
import { isTerminal } from '../core/states.ts';
import type { JobSpec } from '../spec/job-spec.ts';
import type { JobRow } from '../state/ledger/ledger.ts';
import { effectiveSettings } from './effective-settings.ts';
import type { ManagerDeps } from './manager-deps.ts';
import { type RunningJob, type RunningJobs, runningJob } from './running-jobs.ts';
import type { StoredSpec } from './submit.ts';
import { timeOf } from './time-of.ts';

/** Grace for workers when their job is over or the manager stops: finish the batch in hand and hand the rest back. */
export const WORKER_GRACE_MS = 20_000;
/** A token outlives any job that is making progress; the job's time limit ends the others. */
const TOKEN_MS = 30 * 24 * 3_600_000;

/**
 * One look at all unfinished jobs: gives each the processes that its state asks for, takes away those it no longer
 * needs, and ends jobs that ran out of time. Called after every change and at least twice a second; doing it once more
 * never does harm.
 */
export async function dispatchOnce(
  managerUrl: string,
  wanted: (job: JobRow) => boolean,
  running: RunningJobs,
  deps: ManagerDeps,
): Promise<void> {
  const open = (await deps.ledger.openJobs()).filter(wanted);
  const active = new Map<string, number>();
  for (const job of open) {
    const count = active.get(job.tenant) ?? 0;
    if (count >= deps.settings.maxConcurrentJobs && !running.has(job.jobId)) continue;
    active.set(job.tenant, count + 1);
    const known = runningJob(running, job.tenant, job.jobId, deps.clock.monotonicMs());
    if (await endIfOverdue(job, known, deps)) continue;
    try {
      equip(managerUrl, job, known, deps);
    } catch (error) {
      // One job that cannot be given its processes must not keep the others from theirs.
      const failure = asFailure(error, 'WORKER_FAILED');
      deps.log.error({ jobId: job.jobId, err: error }, 'the job cannot be worked on');
      await deps.ledger.failJob(job.tenant, job.jobId, failure.toJSON(), timeOf(deps.clock));
    }
  }
  const unfinished = new Set(open.map(({ jobId }) => jobId));
  for (const [jobId, known] of running) {
    if (unfinished.has(jobId)) continue;
    running.delete(jobId);
    // Nothing that its workers still do can count.
    void disband(known, 0, deps);
  }
}

async function endIfOverdue(job: JobRow, known: RunningJob, deps: ManagerDeps): Promise<boolean> {
  const { spec } = job.spec as StoredSpec;
  const limitMs = spec.config.timeout_minutes * 60_000;
  // What is being published is finished, not thrown away.
  if (job.state === 'completing' || deps.clock.monotonicMs() - known.sinceTickMs < limitMs) return false;
  const report = new Failure(
    'JOB_TIMEOUT',
    `The job was not done after ${spec.config.timeout_minutes} minutes.`,
  ).toJSON();
  await deps.ledger.failJob(job.tenant, job.jobId, report, timeOf(deps.clock));
  deps.changes.changed(job.jobId);
  return true;
}

function equip(managerUrl: string, job: JobRow, known: RunningJob, deps: ManagerDeps): void {
  if (known.disbanded) return;
  const { compute, settings } = deps;
  const logFile = `${settings.logFolder}/${job.jobId}.log`;
  const { spec } = job.spec as StoredSpec;

  // The task process stays for the whole job: it pins, waits, audits and publishes.
  known.task ??= deps.startTask({
    jobId: job.jobId,
    token: token('task', job, deps),
    logFile,
    onExit: (exit) => void taskEnded(exit, known, deps).catch(logRefusal(known, deps)),
  });

  if (job.state === 'completing') {
    if (known.fleet !== null) void known.fleet.stop(WORKER_GRACE_MS);
    known.fleet = null;
    return;
  }
  const shardsLeft =
    job.state === 'running' ? job.shards.total - job.shards.accepted : workersAhead(spec, known, deps);
  known.settings = effectiveSettings(
    spec,
    compute,
    job.state === 'running' ? job.shards.total : spec.config.parallelism,
  );
  known.fleet ??= compute.provision({
    jobId: job.jobId,
    managerUrl,
    token: token('worker', job, deps),
    logFile,
    onExit: (exit) => void workerEnded(exit, known, deps).catch(logRefusal(known, deps)),
  });
  known.fleet.scaleUp(Math.min(known.settings.workers, shardsLeft));
}

/** Below this a second worker would start only to find that the first has done it all. */
const LARGE_INPUT_BYTES = 64 * 2 ** 20;

/**
 * While the input is being pinned workers start already and wait: their start-up costs no time later. One, or all when
 * the input is large.
 */
function workersAhead(spec: JobSpec, known: RunningJob, deps: ManagerDeps): number {
  if (known.inputBytes === null) {
    known.inputBytes = 0;
    void deps.inputBytes(spec).then((bytes) => {
      known.inputBytes = bytes;
      deps.changes.changed(known.jobId);
    });
  }
  return known.inputBytes >= LARGE_INPUT_BYTES ? spec.config.parallelism : 1;
}

async function workerEnded(exit: WorkerExit, known: RunningJob, deps: ManagerDeps): Promise<void> {
  if (known.disbanded) return;
  const how = exit.signal === null ? `with exit code ${exit.code}` : `by signal ${exit.signal}`;
  const report = new Failure('WORKER_LOST', `The worker ended ${how}.`).toJSON();
  const time = timeOf(deps.clock);
  const freed = await deps.ledger.workerDied(exit.worker, report, time);
  deps.log.info(
    { jobId: known.jobId, worker: exit.worker, code: exit.code, signal: exit.signal, freed },
    'worker ended',
  );
  if (exit.code !== 0 && !known.readyWorkers.has(exit.worker)) {
    known.startFailures += 1;
    const job = await deps.ledger.job(known.tenant, known.jobId);
    if (
      job !== null &&
      !isTerminal(job.state) &&
      known.startFailures > (job.spec as StoredSpec).spec.config.retry_count
    ) {
      const message = `${known.startFailures} workers in a row ended ${how} before they could work.`;
      await deps.ledger.failJob(
        known.tenant,
        known.jobId,
        new Failure('WORKER_FAILED', message).toJSON(),
        time,
      );
    }
  }
  deps.changes.changed(known.jobId);
}

async function taskEnded(exit: WorkerExit, known: RunningJob, deps: ManagerDeps): Promise<void> {
  const { clock, ledger } = deps;
  if (!known.disbanded) {
    const how = exit.signal === null ? `with exit code ${exit.code}` : `by signal ${exit.signal}`;
    const report = new Failure('WORKER_LOST', `The task process ended ${how}.`).toJSON();
    const freed = await ledger.workerDied(exit.worker, report, timeOf(clock));
    // What dies before it has claimed anything is counted by nobody: it waits longer and longer.
    known.idleTaskDeaths = freed > 0 || exit.code === 0 ? 0 : known.idleTaskDeaths + 1;
    if (known.idleTaskDeaths > 0) await clock.sleep(backoffMs(known.idleTaskDeaths, 1));
  }
  known.task = null;
  deps.changes.changed(known.jobId);
}

/** A ledger that cannot write just now: the lease of the process that ended runs out instead. */
function logRefusal({ jobId }: RunningJob, { log }: ManagerDeps): (error: unknown) => void {
  return (error) => {
    if (!(error instanceof Failure)) throw error;
    log.error({ jobId, err: error }, 'the end of a process could not be recorded');
  };
}

function token(role: 'worker' | 'task', job: JobRow, { tokens, clock }: ManagerDeps): string {
  return tokens.issue({ role, tenant: job.tenant, jobId: job.jobId, expiresMs: clock.nowMs() + TOKEN_MS });
}

/** Takes a job's processes away. Tasks may be killed at any moment: whoever takes over continues. */
export async function disband(known: RunningJob, graceMs: number, deps: ManagerDeps): Promise<void> {
  known.disbanded = true;
  const fleet = known.fleet;
  known.fleet = null;
  await fleet?.stop(graceMs);
  known.task?.kill();
  deps.log.debug({ jobId: known.jobId }, 'processes gone');
}
