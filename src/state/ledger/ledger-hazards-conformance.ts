import { describe, expect, test } from 'vitest';
import { Failure, type FailureReport } from '../../core/errors.ts';
import type { Lease } from '../../core/lease.ts';
import type { Ledger, Time } from './ledger.ts';
import {
  CRASH,
  claim,
  claimed,
  claimTask,
  completionOf,
  countsOf,
  everythingOf,
  freshRequest,
  LEASE_MS,
  later,
  PUBLISHED,
  planOf,
  present,
  runningJob,
  START,
  STORAGE,
  submission,
} from './ledger-fixture-conformance.ts';

export function ledgerHazardsConformance(open: () => Promise<Ledger>): void {
  describe('a job from submission to its end', () => {
    test('snapshot, times, counts and events come back as they went in', async () => {
      await using ledger = await open();
      await runningJob(ledger, [10, 20]);
      const first = await claimed(ledger, later(START, 5));
      await ledger.complete(first, completionOf(first.range), later(START, 6));
      const second = await claimed(ledger, later(START, 7));
      await ledger.renew(second, { rows: 4, rejected: 1 }, later(START, 7), LEASE_MS);
      expect((await ledger.job('default', 'job-1'))?.inFlight).toEqual({ rows: 4, rejected: 1 });
      await ledger.complete(second, completionOf(second.range), later(START, 8));
      await ledger.audited(present(await claimTask(ledger, later(START, 9))), { ok: true }, later(START, 10));
      await ledger.published(present(await claimTask(ledger, later(START, 11))), PUBLISHED, later(START, 12));

      expect(await ledger.snapshot('default', 'job-1')).toEqual(planOf(10, 20).snapshot);
      expect(await ledger.job('default', 'job-1')).toMatchObject({
        state: 'completed',
        totalRows: 20,
        counts: countsOf({ start: 0, end: 20 }),
        shards: { total: 2, accepted: 2, leased: 0 },
        timings: { readMs: 2, modelMs: 4, writeMs: 6 },
        stateTimes: {
          submitted: 1_000_000,
          preparing: 1_000_000,
          running: 1_000_000,
          completing: 1_000_008,
          completed: 1_000_012,
        },
        firstClaimMs: 1_000_005,
        lastCompleteMs: 1_000_008,
        bound: { binding: { inputs: [], outputs: [] } },
        checks: { ok: true },
        published: PUBLISHED,
        retries: 0,
      });
      const events = await ledger.events('default', 'job-1', 2, 10);
      expect(events.map((event) => event.type)).toEqual([
        'job.running',
        'job.completing',
        'job.audited',
        'job.completed',
      ]);
      expect((await ledger.parts('default', 'job-1')).map((part) => part.range.start)).toEqual([0, 10]);
    });

    test('a snapshot without rows goes straight to its audit', async () => {
      await using ledger = await open();
      await runningJob(ledger, []);
      expect(await ledger.job('default', 'job-1')).toMatchObject({ state: 'completing', totalRows: 0 });
      await ledger.audited(present(await claimTask(ledger, START)), {}, START);
      expect(await ledger.published(present(await claimTask(ledger, START)), PUBLISHED, START)).toBe(
        'accepted',
      );
    });

    test.each([
      [
        'a gap',
        [
          { start: 0, end: 4 },
          { start: 5, end: 10 },
        ],
      ],
      [
        'an overlap',
        [
          { start: 0, end: 6 },
          { start: 5, end: 10 },
        ],
      ],
      ['more rows than there are', [{ start: 0, end: 11 }]],
      ['no shard for ten rows', []],
      [
        'an empty shard',
        [
          { start: 0, end: 0 },
          { start: 0, end: 10 },
        ],
      ],
    ])('a plan with %s is refused and leaves nothing behind', async (_, shards) => {
      await using ledger = await open();
      await ledger.submit(submission());
      const pin = present(await claimTask(ledger, START));
      const before = await everythingOf(ledger, 'default', 'job-1');
      await expect(ledger.plan(pin, { ...planOf(10), shards }, START)).rejects.toThrow(Failure);
      expect(await everythingOf(ledger, 'default', 'job-1')).toBe(before);
    });

    test('staging is kept for its time after the end, and handed out for removal until it is cleaned', async () => {
      await using ledger = await open();
      await runningJob(ledger, [10], { keepStagingMs: 5_000 });
      expect(await ledger.expired(later(START, 1e9))).toEqual([]);
      await ledger.cancel('default', 'job-1', START);
      expect(await ledger.expired(later(START, 4_999))).toEqual([]);
      expect(await ledger.expired(later(START, 5_000))).toEqual([{ tenant: 'default', jobId: 'job-1' }]);
      await ledger.cleaned('default', 'job-1', later(START, 5_000));
      expect(await ledger.expired(later(START, 6_000))).toEqual([]);
    });

    test('staging of a job stays while a retry of it is unfinished, and is taken over no more once it is removed', async () => {
      await using ledger = await open();
      await runningJob(ledger, [10], { keepStagingMs: 5_000 });
      await ledger.cancel('default', 'job-1', START);
      const retryOf = { jobId: 'job-1', takesOver: true };
      const due = later(START, 5_000);
      await ledger.submit(
        submission({ jobId: 'job-2', identity: 'again', retryOf, keepStagingMs: 60_000, time: START }),
      );
      expect(await ledger.expired(due)).toEqual([]);
      await ledger.cancel('default', 'job-2', START);
      expect(await ledger.expired(due)).toEqual([{ tenant: 'default', jobId: 'job-1' }]);
      await ledger.cleaned('default', 'job-1', due);
      const late = submission({ jobId: 'job-3', identity: 'late', retryOf, time: due });
      await expect(ledger.submit(late)).rejects.toThrow(/are removed/);
      expect(await ledger.job('default', 'job-3')).toBeNull();
      const complete = { ...late, retryOf: { ...retryOf, takesOver: false } };
      expect((await ledger.submit(complete)).kind).toBe('created');
    });
  });

  describe('submitting', () => {
    test('a submission whose reply was lost makes one job', async () => {
      await using ledger = await open();
      for (const fresh of [false, true, true]) {
        expect(await ledger.submit(submission({ fresh }))).toMatchObject({
          kind: 'created',
          job: { jobId: 'job-1', resumes: 0 },
        });
      }
      expect(await ledger.jobs('default', { limit: 9 })).toHaveLength(1);
    });

    test('resuming takes over the settings of now and keeps the rest', async () => {
      await using ledger = await open();
      await runningJob(ledger, [10], { errorBudget: { count: 3 } });
      const outcome = await ledger.submit(
        submission({ jobId: 'job-2', errorBudget: { count: 5 }, name: 'ignored' }),
      );
      expect(outcome).toMatchObject({
        kind: 'resumed',
        job: { jobId: 'job-1', state: 'running', resumes: 1, rejectLimit: 5 },
      });
      expect(present(await ledger.job('default', 'job-1')).spec).toEqual({
        name: 'churn',
        config: { parallelism: 4 },
      });
    });

    test('resuming with another model is refused', async () => {
      await using ledger = await open();
      await ledger.submit(submission());
      const changed = ledger.submit(submission({ jobId: 'job-2', modelSha256: 'm2' }));
      await expect(changed).rejects.toMatchObject({ code: 'MODEL_CHANGED' });
    });

    test('resuming with a budget that is spent already ends the job instead of publishing past it', async () => {
      await using ledger = await open();
      await runningJob(ledger, [10]);
      const lease = await claimed(ledger, START);
      await ledger.complete(lease, completionOf(lease.range), START);
      await ledger.submit(submission({ jobId: 'job-2', errorBudget: { count: 0 } }));
      expect(await ledger.job('default', 'job-1')).toMatchObject({
        state: 'failed',
        error: { code: 'ERROR_BUDGET_EXCEEDED' },
      });
    });

    test('a job id that was used cannot be used again', async () => {
      await using ledger = await open();
      await ledger.submit(submission());
      await ledger.cancel('default', 'job-1', START);
      await expect(ledger.submit(submission())).rejects.toMatchObject({ code: 'REQUEST_INVALID' });
    });

    test('a submission that is refused half-way leaves the job alone that it was to replace', async () => {
      await using ledger = await open();
      await ledger.submit(submission());
      await ledger.cancel('default', 'job-1', START);
      await ledger.submit(submission({ jobId: 'job-2' }));
      await expect(ledger.submit(submission({ fresh: true }))).rejects.toMatchObject({
        code: 'REQUEST_INVALID',
      });
      expect((await ledger.job('default', 'job-2'))?.state).toBe('submitted');
    });

    test('a thousand submissions in the same millisecond are a thousand jobs', async () => {
      await using ledger = await open();
      const names = Array.from({ length: 1_000 }, (_, index) => `${index}`);
      await Promise.all(
        names.map((n) => ledger.submit(submission({ jobId: n, identity: n, destination: n }))),
      );
      expect(await ledger.openJobs()).toHaveLength(1_000);
    });
  });

  describe('tenants', () => {
    test('the same ids, destinations and identities of two tenants have nothing to do with each other', async () => {
      await using ledger = await open();
      await runningJob(ledger, [10]);
      const lease = await claimed(ledger, START);
      const before = await everythingOf(ledger, 'default', 'job-1');

      expect((await ledger.submit(submission({ tenant: 'other' }))).kind).toBe('created');
      const alien = { ...lease, tenant: 'other' };
      const task = { tenant: 'other', jobId: 'job-1', fence: 1 };
      expect(await ledger.complete(alien, completionOf(lease.range), START)).toBe('fenced');
      expect(await ledger.split(alien, completionOf({ start: 0, end: 4 }), START)).toBe('fenced');
      expect(await ledger.renew(alien, { rows: 0, rejected: 0 }, START, LEASE_MS)).toBe('lost');
      expect(await ledger.suspect(alien, lease.range, START)).toBe('fenced');
      expect(await ledger.release(alien, START)).toBe('fenced');
      expect(await ledger.fail(alien, { report: STORAGE, suspect: null, permanent: true }, START)).toBe(
        'fenced',
      );
      expect(await ledger.plan(task, planOf(10), START)).toBe('fenced');
      expect(await ledger.audited(task, {}, START)).toBe('fenced');
      expect(await ledger.published(task, PUBLISHED, START)).toBe('fenced');
      expect(await ledger.failTask(task, { report: STORAGE, permanent: true }, START)).toBe('fenced');
      expect(await ledger.renewTask(task, START, LEASE_MS)).toBe('lost');
      const request = { tenant: 'other', jobId: 'job-1', worker: 'worker-1', leaseMs: LEASE_MS, time: START };
      expect(await ledger.claim({ ...request, requestId: freshRequest() })).toBeNull();
      expect(await ledger.cancel('other', 'job-1', START)).toBe('cancelled');
      await ledger.cleaned('other', 'job-1', START);
      expect(await everythingOf(ledger, 'default', 'job-1')).toBe(before);

      expect(await ledger.job('third', 'job-1')).toBeNull();
      expect(await ledger.jobs('third', { limit: 9 })).toEqual([]);
      expect(await ledger.shards('other', 'job-1')).toEqual([]);
      expect(await ledger.parts('other', 'job-1')).toEqual([]);
      expect(await ledger.snapshot('other', 'job-1')).toBeNull();
      expect(await ledger.events('third', 'job-1', 0, 9)).toEqual([]);
      expect(await ledger.cancel('third', 'job-1', START)).toBe('unknown');
      expect(await ledger.failJob('third', 'job-1', STORAGE, START)).toBe(false);
      const asked = await ledger.claimTask({ ...request, tenant: 'third', requestId: freshRequest() });
      expect(asked).toBeNull();
    });
  });

  describe('leases', () => {
    test('an attempt that was replaced can do nothing at all to the shard of its successor', async () => {
      await using ledger = await open();
      await runningJob(ledger, [10]);
      const stale = await claimed(ledger, START);
      await ledger.release(stale, START);
      const current = await claimed(ledger, START, 'worker-2');
      const before = await everythingOf(ledger, 'default', 'job-1');
      const failure = { report: STORAGE, suspect: null, permanent: true };
      expect(await ledger.renew(stale, { rows: 9, rejected: 9 }, later(START, 1e9), LEASE_MS)).toBe('lost');
      expect(await ledger.suspect(stale, { start: 0, end: 1 }, START)).toBe('fenced');
      expect(await ledger.complete(stale, completionOf(stale.range), START)).toBe('fenced');
      expect(await ledger.split(stale, completionOf({ start: 0, end: 4 }), START)).toBe('fenced');
      expect(await ledger.release(stale, START)).toBe('fenced');
      expect(await ledger.fail(stale, failure, START)).toBe('fenced');
      expect(await ledger.workerDied('worker-1', CRASH, START)).toBe(0);
      expect(await everythingOf(ledger, 'default', 'job-1')).toBe(before);
      expect(await ledger.reap(later(START, LEASE_MS + 1))).toBe(1);
      expect(await ledger.renew(current, { rows: 0, rejected: 0 }, START, LEASE_MS)).toBe('lost');
    });

    test('a claim whose reply was lost is answered with the same lease, even when another shard is ready', async () => {
      await using ledger = await open();
      await runningJob(ledger, [10, 20]);
      const request = {
        tenant: 'default',
        jobId: 'job-1',
        worker: 'worker-1',
        requestId: 'r',
        leaseMs: LEASE_MS,
        time: START,
      };
      const lease = await ledger.claim(request);
      expect(await ledger.claim(request)).toEqual(lease);
      expect(await ledger.claim({ ...request, worker: 'worker-2' })).toMatchObject({ shardId: 1 });
    });

    test('a task claim whose reply was lost is answered with the same fence', async () => {
      await using ledger = await open();
      await ledger.submit(submission());
      const request = {
        tenant: 'default',
        jobId: 'job-1',
        worker: 'task-1',
        requestId: 'r',
        leaseMs: LEASE_MS,
        time: START,
      };
      expect(await ledger.claimTask(request)).toMatchObject({ fence: 1 });
      expect(await ledger.claimTask(request)).toMatchObject({ fence: 1 });
    });

    test('a task that comes back after it was replaced can neither plan, publish, fail nor hold the job', async () => {
      await using ledger = await open();
      await ledger.submit(submission());
      const stale = present(await claimTask(ledger, START));
      const time = later(START, 60_000);
      expect(await ledger.reap(time)).toBe(1);
      const current = present(await claimTask(ledger, later(time, 60_000), 'task-2'));
      expect(current.fence).toBe(stale.fence + 1);
      expect(await ledger.plan(stale, planOf(10), time)).toBe('fenced');
      expect(await ledger.renewTask(stale, time, LEASE_MS)).toBe('lost');
      expect(await ledger.failTask(stale, { report: STORAGE, permanent: true }, time)).toBe('fenced');
      expect(await ledger.plan(current, planOf(10), time)).toBe('accepted');
      expect(await ledger.plan(current, planOf(10), time)).toBe('accepted');
      expect(await ledger.plan(stale, planOf(10), time)).toBe('fenced');
      expect(await ledger.shards('default', 'job-1')).toHaveLength(1);
    });

    test('the time without a manager does not cost a worker its lease', async () => {
      await using ledger = await open();
      await runningJob(ledger, [10, 20]);
      const lease = await claimed(ledger, START);
      await ledger.fail(
        await claimed(ledger, START),
        { report: STORAGE, suspect: null, permanent: false },
        later(START, 1e9),
      );
      // A new process: its monotonic clock starts anywhere, here far below the old one.
      const restart = { nowMs: START.nowMs + 50_000, tickMs: 3 };
      expect(await ledger.recover(restart, LEASE_MS)).toEqual([
        { worker: 'worker-1', jobId: 'job-1', tenant: 'default' },
      ]);
      expect(await ledger.reap(later(restart, LEASE_MS))).toBe(0);
      expect(await claim(ledger, restart, 'worker-2')).toMatchObject({ shardId: 1, attempt: 2 });
      // And a third one, whose clock is far above.
      const second = { nowMs: restart.nowMs + 9, tickMs: 1e12 };
      await ledger.recover(second, LEASE_MS);
      expect(await ledger.reap(second)).toBe(0);
      expect(await ledger.complete(lease, completionOf(lease.range), second)).toBe('accepted');
    });

    test('a lease of a task is given the same grace, and its worker is named', async () => {
      await using ledger = await open();
      await ledger.submit(submission());
      const task = present(await claimTask(ledger, later(START, 1e9)));
      expect(await ledger.recover(START, LEASE_MS)).toEqual([
        { worker: 'task-1', jobId: 'job-1', tenant: 'default' },
      ]);
      expect(await ledger.reap(later(START, LEASE_MS))).toBe(0);
      expect(await ledger.reap(later(START, LEASE_MS + 1))).toBe(1);
      expect(await ledger.renewTask(task, START, LEASE_MS)).toBe('lost');
    });

    test('giving back and splitting cost no retry; the rest of a split keeps its fence', async () => {
      await using ledger = await open();
      await runningJob(ledger, [10], { retryCount: 0 });
      for (let turn = 0; turn < 5; turn += 1) await ledger.release(await claimed(ledger, START), START);
      const lease = await claimed(ledger, START);
      expect(lease.attempt).toBe(6);
      const prefix = completionOf({ start: 0, end: 4 });
      expect(await ledger.split(lease, prefix, START)).toBe('accepted');
      expect(await ledger.split(lease, prefix, START)).toBe('accepted');
      expect(await claimed(ledger, START)).toMatchObject({
        shardId: 1,
        attempt: 7,
        range: { start: 4, end: 10 },
      });
      expect(await ledger.job('default', 'job-1')).toMatchObject({
        retries: 0,
        shards: { total: 2, accepted: 1 },
      });
    });
  });

  describe('failures', () => {
    test('a manager that is killed again and again does not use up the retries of its jobs', async () => {
      await using ledger = await open();
      await runningJob(ledger, [10]);
      for (let kill = 0; kill < 20; kill += 1) {
        expect(await claim(ledger, START)).not.toBeNull();
        expect(await ledger.workerAbandoned('worker-1', START)).toBe(1);
      }
      const [shard] = await ledger.shards('default', 'job-1');
      expect(shard).toMatchObject({ state: 'ready', attempt: 20, failures: 0 });
      expect((await ledger.job('default', 'job-1'))?.retries).toBe(0);
    });

    test('a failed attempt waits before the next, and the retry count ends the job with its cause', async () => {
      await using ledger = await open();
      await runningJob(ledger, [10], { retryCount: 1 });
      const failure = { report: STORAGE, suspect: null, permanent: false };
      expect(await ledger.fail(await claimed(ledger, START), failure, START)).toBe('retrying');
      expect(await claim(ledger, START)).toBeNull();
      const again = await claimed(ledger, later(START, 500));
      expect(again.careful).toBe(false);
      expect(await ledger.fail(again, failure, START)).toBe('exhausted');
      const job = present(await ledger.job('default', 'job-1'));
      expect(job).toMatchObject({ state: 'failed', retries: 1, error: { code: 'RETRIES_EXHAUSTED' } });
      expect(job.error?.message).toContain('STORAGE_FAILED: read error');
    });

    test('the end of a job fences off everybody who is still at work', async () => {
      await using ledger = await open();
      await runningJob(ledger, [10, 20]);
      const [one, two] = [await claimed(ledger, START), await claimed(ledger, START, 'worker-2')];
      await ledger.fail(
        one,
        { report: { ...STORAGE, code: 'SOURCE_CHANGED' }, suspect: null, permanent: false },
        START,
      );
      expect(await ledger.job('default', 'job-1')).toMatchObject({
        state: 'failed',
        error: { code: 'SOURCE_CHANGED' },
      });
      expect(await ledger.renew(two, { rows: 1, rejected: 0 }, START, LEASE_MS)).toBe('lost');
      expect(await ledger.complete(two, completionOf(two.range), START)).toBe('fenced');
    });

    test('two workers dead at once on one job count as two deaths, not as a crash of ours', async () => {
      await using ledger = await open();
      await runningJob(ledger, [10, 20], { retryCount: 0 });
      await claimed(ledger, START);
      await claimed(ledger, START);
      expect(await ledger.workerDied('worker-1', CRASH, START)).toBe(2);
      expect(await ledger.job('default', 'job-1')).toMatchObject({
        state: 'failed',
        error: { code: 'RETRIES_EXHAUSTED' },
      });
    });

    test('rejects past the budget end the job, saying how many, which and why', async () => {
      await using ledger = await open();
      await runningJob(ledger, [10, 20], { errorBudget: { count: 1 } });
      const first = await claimed(ledger, START);
      expect(first.rejectsLeft).toBe(1);
      await ledger.complete(
        first,
        completionOf(first.range, { read: 10, scored: 9, rejected: 1, filtered: 0 }),
        START,
      );
      const second = await claimed(ledger, START);
      expect(second.rejectsLeft).toBe(0);
      const counts = { read: 10, scored: 9, rejected: 1, filtered: 0 };
      expect(await ledger.complete(second, completionOf(second.range, counts), START)).toBe('accepted');
      expect(await ledger.job('default', 'job-1')).toMatchObject({
        state: 'failed',
        counts: { rejected: 2 },
        error: {
          code: 'ERROR_BUDGET_EXCEEDED',
          message:
            '2 records were rejected and config.error_budget allows 1. Among them: key-10 (NULL_FEATURE: x is null).',
        },
      });
    });

    test('a share of the budget is taken of the rows the job reads', async () => {
      await using ledger = await open();
      await runningJob(ledger, [10, 199], { errorBudget: { share: 0.02 } });
      expect((await ledger.job('default', 'job-1'))?.rejectLimit).toBe(3);
    });

    test.each(['counts', 'part', 'rejects'] as const)(
      'a part whose %s do not answer for each row is refused',
      async (what) => {
        await using ledger = await open();
        await runningJob(ledger, [10]);
        const lease = await claimed(ledger, START);
        const good = completionOf(lease.range);
        const shorter = { ...good.counts, scored: good.counts.scored - 1, read: 9 };
        const bad = what === 'counts' ? completionOf(lease.range, shorter) : { ...good, [what]: null };
        await expect(ledger.complete(lease, bad, START)).rejects.toMatchObject({ code: 'ACCOUNTING' });
        expect(await ledger.complete(lease, good, START)).toBe('accepted');
      },
    );

    test('a publish that died may have happened: it is tried again without end, and fails only when it says so', async () => {
      await using ledger = await open();
      await runningJob(ledger, [10], { retryCount: 1 });
      const lease = await claimed(ledger, START);
      await ledger.complete(lease, completionOf(lease.range), START);
      await ledger.audited(present(await claimTask(ledger, START)), {}, START);
      let time = START;
      for (let death = 0; death < 20; death += 1) {
        time = later(time, 60_000);
        const publish = present(await claimTask(ledger, time));
        expect(publish.kind).toBe('publish');
        const replaced = { ...publish, fence: publish.fence - 1 };
        expect(await ledger.published(replaced, PUBLISHED, time)).toBe('fenced');
        expect(await ledger.workerDied('task-1', CRASH, time)).toBe(1);
        expect(await ledger.published(publish, PUBLISHED, time)).toBe('fenced');
      }
      expect(await ledger.failJob('default', 'job-1', STORAGE, time)).toBe(false);
      const last = present(await claimTask(ledger, later(time, 60_000)));
      expect(await ledger.failTask(last, { report: STORAGE, permanent: true }, time)).toBe('failed');
    });

    test('a pin that keeps dying ends the job', async () => {
      await using ledger = await open();
      await ledger.submit(submission({ retryCount: 1 }));
      for (const time of [later(START, 60_000), later(START, 120_000)]) {
        present(await claimTask(ledger, time));
        await ledger.workerDied('task-1', CRASH, time);
      }
      expect(await ledger.job('default', 'job-1')).toMatchObject({
        state: 'failed',
        error: { code: 'RETRIES_EXHAUSTED' },
      });
    });
  });

  describe('the record that kills its worker', () => {
    const poison = new Set([311]);
    test.each([
      ['one culprit that kills', poison, 'death', 'MODEL_CRASHED'],
      ['three culprits that kill', new Set([0, 500, 999]), 'death', 'MODEL_CRASHED'],
      ['two neighbours that hang', new Set([63, 64]), 'MODEL_TIMEOUT', 'RECORD_TIMEOUT'],
      ['one that eats memory', new Set([999]), 'OUT_OF_MEMORY', 'RECORD_OUT_OF_MEMORY'],
    ] as const)('%s: condemned alone, all others scored', async (_, culprits, how, code) => {
      await using ledger = await open();
      await runningJob(ledger, [1_000]);
      const troubles = await workUntilDone(ledger, culprits, how);
      const job = present(await ledger.job('default', 'job-1'));
      expect(job).toMatchObject({
        state: 'completing',
        counts: { rejected: culprits.size, scored: 1_000 - culprits.size },
      });
      const condemned = (await ledger.events('default', 'job-1', 0, 1_000)).filter(
        (event) => event.type === 'shard.condemned',
      );
      const reports = condemned.map((event) => (event.data as { report: FailureReport }).report);
      expect(reports.map((report) => Number(report.place.row)).sort((a, b) => a - b)).toEqual([...culprits]);
      expect(new Set(reports.map((report) => report.code))).toEqual(new Set([code]));
      expect(troubles).toBeLessThanOrEqual(culprits.size * (2 + Math.ceil(Math.log2(1_000)) + 2));
    });

    test('rows that came back from the model are no suspects: dying later, over the part, blames nobody', async () => {
      await using ledger = await open();
      await runningJob(ledger, [4], { retryCount: 9 });
      let time: Time = START;
      for (let death = 0; death < 6; death += 1) {
        const lease = await claimed(ledger, time);
        expect(lease).toMatchObject({ range: { start: 0, end: 4 }, condemned: null });
        expect(await ledger.suspect(lease, { start: 2, end: 4 }, time)).toBe('noted');
        expect(await ledger.suspect(lease, null, time)).toBe('noted');
        await ledger.workerDied('worker-1', CRASH, time);
        time = later(time, 60_000);
      }
    });

    test('an innocent row is not condemned by workers that die before the model has it', async () => {
      await using ledger = await open();
      await runningJob(ledger, [1], { retryCount: 5 });
      for (let death = 0; death < 5; death += 1) {
        expect((await claimed(ledger, later(START, death * 60_000))).condemned).toBeNull();
        await ledger.workerDied('worker-1', CRASH, later(START, death * 60_000));
      }
      expect((await claimed(ledger, later(START, 600_000))).condemned).toBeNull();
    });
  });
}

/** A worker as it has to be: in careful mode it notes each half before the model sees it. Returns how often it failed. */
async function workUntilDone(
  ledger: Ledger,
  culprits: ReadonlySet<number>,
  how: 'death' | 'MODEL_TIMEOUT' | 'OUT_OF_MEMORY',
): Promise<number> {
  let troubles = 0;
  let time: Time = START;
  for (let lease = await claim(ledger, time); lease !== null; lease = await claim(ledger, time)) {
    const hit = await modelDies(ledger, lease, culprits, time);
    if (hit === null) {
      const { start, end } = lease.range;
      const rejected = lease.condemned === null ? 0 : 1;
      const counts = { read: end - start, scored: end - start - rejected, rejected, filtered: 0 };
      await ledger.complete(lease, completionOf(lease.range, counts), time);
    } else if (how === 'death') {
      troubles += 1;
      expect(await ledger.workerDied('worker-1', CRASH, time)).toBe(1);
    } else {
      troubles += 1;
      const report = new Failure(how, 'as the worker says').toJSON();
      expect(await ledger.fail(lease, { report, suspect: hit, permanent: false }, time)).toBe('retrying');
    }
    time = later(time, 31_000);
  }
  return troubles;
}

/** The batch in the model when it dies; null if it gets through. */
async function modelDies(
  ledger: Ledger,
  lease: Lease,
  culprits: ReadonlySet<number>,
  time: Time,
): Promise<{ start: number; end: number } | null> {
  if (lease.condemned !== null) return null;
  const { start, end } = lease.range;
  const size = lease.careful ? Math.max(1, Math.ceil((end - start) / 2)) : 1_000;
  for (let row = start; row < end; row += size) {
    const batch = { start: row, end: Math.min(end, row + size) };
    if (lease.careful) expect(await ledger.suspect(lease, batch, time)).toBe('noted');
    if ([...culprits].some((culprit) => batch.start <= culprit && culprit < batch.end)) return batch;
  }
  return null;
}
