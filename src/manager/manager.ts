import { Failure } from '../core/errors.ts';
import type { JobStatus, SubmitAnswer } from '../core/wire.ts';
import type { JobRow, LedgerStats } from '../state/ledger/ledger.ts';
import { disband, dispatchOnce, WORKER_GRACE_MS } from './dispatch.ts';
import { createJobService, type JobService } from './job-service.ts';
import { createKeyService, type KeyService } from './keys.ts';
import { createLongPoll } from './long-poll.ts';
import type { ManagerDeps } from './manager-deps.ts';
import { createModelService, type ModelService } from './models.ts';
import { retainOnce } from './retain.ts';
import { type RetryRequest, retry } from './retry.ts';
import type { RunningJobs } from './running-jobs.ts';
import { checkResumable, type SubmitRequest, submit } from './submit.ts';
import { createTaskService, type TaskService } from './task-service.ts';
import { timeOf } from './time-of.ts';
import { createWorkerService, type WorkerService } from './worker-service.ts';

const DISPATCH_EVERY_MS = 500;
const REAP_EVERY_MS = 1_000;
const RETAIN_EVERY_MS = 60_000;
/** A caller repeats a request for some minutes at the most. */
const KEPT_SUBMISSIONS = 1_000;

/** The use cases of the server process, and its loops. It carries no bytes of data and loads no model. */
export interface Manager {
  readonly workers: WorkerService;
  readonly tasks: TaskService;
  readonly models: ModelService;
  readonly keys: KeyService;
  submit(request: SubmitRequest): Promise<SubmitAnswer>;
  readonly jobs: JobService;
  /** Makes the job that tries another one again, or goes on with it; see retry.ts. */
  retry(request: RetryRequest): Promise<SubmitAnswer>;
  /** Works on this job, if it is unfinished and neither its input nor its model has changed. */
  resume(tenant: string, jobId: string): Promise<JobStatus>;
  /** Starts the loops; whatever is unfinished goes on. `managerUrl` is where workers find this manager. */
  start(managerUrl: string): Promise<void>;
  /** Of all jobs; fails when the ledger does not answer. */
  stats(): Promise<LedgerStats>;
  /** For Prometheus. */
  metrics(): Promise<{ readonly type: string; readonly text: string }>;
  /** It takes jobs in, but works on none any more. */
  draining(): boolean;
  /** Hands all work back and stops. Unfinished jobs stay as they are, for the next manager. */
  drain(): Promise<void>;
}

export function createManager(deps: ManagerDeps): Manager {
  const { ledger, clock, changes, settings, log } = deps;
  const running: RunningJobs = new Map();
  const submittedHere = new Set<string>();
  /** A job whose publishing has begun is finished by whoever comes: it can neither be cancelled nor replaced. */
  const wanted = (job: JobRow) =>
    settings.worksOn === 'all' ||
    (settings.worksOn === 'submitted-here' &&
      (submittedHere.has(job.jobId) || (job.state === 'completing' && job.checks !== null)));
  /** Answers of submissions by the caller's request id: a repeated request joins the first one. */
  const submissions = new Map<string, Promise<SubmitAnswer>>();
  const stop = new AbortController();
  const draining = () => stop.signal.aborted;
  const longPoll = createLongPoll(deps, draining);
  let loops: Promise<void>[] = [];

  const jobs = createJobService({ ledger, clock, changes, running, settings });

  /**
   * What the world refuses (a full disk, a destination that cannot be cleaned) is logged and tried again. Any other error is a
   * bug or a broken ledger: the process ends, and the next one goes on from the ledger.
   */
  const loop = async (name: string, once: () => Promise<void>, pause: () => Promise<void>): Promise<void> => {
    while (!draining()) {
      const next = pause();
      await once().catch((error: unknown) => {
        log.error({ err: error, loop: name }, 'loop failed');
        if (!(error instanceof Failure)) throw error;
      });
      await next;
    }
  };

  const models = createModelService(deps);

  return {
    workers: createWorkerService(deps, running, longPoll),
    tasks: createTaskService(deps, longPoll),
    models,
    keys: createKeyService(deps),
    submit(request) {
      const key = request.requestId === null ? null : JSON.stringify([request.tenant, request.requestId]);
      const known = key === null ? undefined : submissions.get(key);
      if (known !== undefined) return known;
      const answer = submit(request, deps).then((answered) => {
        submittedHere.add(answered.job_id);
        changes.changed(answered.job_id);
        return answered;
      });
      if (key !== null) submissions.set(key, answer);
      const [oldest] = submissions.keys();
      if (submissions.size > KEPT_SUBMISSIONS && oldest !== undefined) submissions.delete(oldest);
      return answer;
    },
    jobs,
    async retry(request) {
      const answered = await retry(request, deps);
      submittedHere.add(answered.job_id);
      changes.changed(answered.job_id);
      return answered;
    },
    async resume(tenant, jobId) {
      await checkResumable(tenant, jobId, deps);
      submittedHere.add(jobId);
      changes.changed(jobId);
      return jobs.status(tenant, jobId);
    },

    async start(managerUrl) {
      for (const { worker } of await ledger.recover(timeOf(clock), settings.leaseMs)) {
        if (!deps.isProvablyDead(worker)) continue;
        await ledger.workerAbandoned(worker, timeOf(clock));
      }
      let reapedMs = clock.monotonicMs();
      loops = [
        loop(
          'dispatch',
          () => dispatchOnce(managerUrl, wanted, running, deps),
          () => changes.next(null, DISPATCH_EVERY_MS),
        ),
        loop(
          'reap',
          async () => {
            const now = clock.monotonicMs();
            // This process was stopped (Ctrl-Z, a suspended machine), and its workers with it: that is no silence of theirs.
            if (now - reapedMs > REAP_EVERY_MS + settings.leaseMs / 2)
              await ledger.recover(timeOf(clock), settings.leaseMs);
            reapedMs = now;
            if ((await ledger.reap(timeOf(clock))) > 0) changes.changed('');
          },
          () => clock.sleep(REAP_EVERY_MS, stop.signal),
        ),
        loop(
          'retain',
          async () => {
            await retainOnce(deps);
            await models.clean();
          },
          () => clock.sleep(RETAIN_EVERY_MS, stop.signal),
        ),
      ];
    },

    stats: () => ledger.stats(),
    metrics: async () => deps.metrics.text(await ledger.stats(), clock.nowMs()),
    draining,

    async drain() {
      stop.abort();
      // Wakes every long poll, so that workers hear at once that there is no more work here.
      for (const jobId of running.keys()) changes.changed(jobId);
      changes.changed('');
      // The loops first: what they start now would be stopped by nobody.
      await Promise.all(loops);
      await Promise.all([...running.values()].map((known) => disband(known, WORKER_GRACE_MS, deps)));
    },
  };
}
