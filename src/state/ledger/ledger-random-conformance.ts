import fc from 'fast-check';
import { expect, test } from 'vitest';
import { addCounts, NO_ROWS } from '../../core/counts.ts';
import type { Lease } from '../../core/lease.ts';
import { isTerminal } from '../../core/states.ts';
import type { JobRow, Ledger, ShardRow, Time } from './ledger.ts';
import {
  CRASH,
  claimed,
  completionOf,
  countsOf,
  everythingOf,
  isLive,
  LEASE_MS,
  later,
  PUBLISHED,
  present,
  runningJob,
  START,
  STORAGE,
} from './ledger-fixture-conformance.ts';

/**
 * Random interleavings of all verbs by several workers with stale leases, repeated requests, deaths, time jumps and
 * restarts. What each verb must answer is foretold from what is visible before it; the invariants hold after each.
 */

const CUTS = [13, 17, 40];
const ROWS = 40;
const WORKERS = ['worker-1', 'worker-2', 'worker-3'];

const step = fc.record({
  verb: fc.oneof(
    { weight: 6, arbitrary: fc.constant('claim' as const) },
    { weight: 4, arbitrary: fc.constantFrom('complete' as const, 'split' as const) },
    { weight: 2, arbitrary: fc.constantFrom('fail' as const, 'failSuspect' as const, 'renew' as const) },
    { weight: 3, arbitrary: fc.constantFrom('suspect' as const, 'die' as const) },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        'release' as const,
        'workerDied' as const,
        'reap' as const,
        'advance' as const,
      ),
    },
    { weight: 1, arbitrary: fc.constantFrom('restart' as const, 'otherTenant' as const) },
  ),
  /** Which of the leases ever given the verb comes with: the newest are the likelier ones. */
  lease: fc.oneof(fc.integer({ min: 0, max: 2 }), fc.nat({ max: 30 })),
  worker: fc.constantFrom(...WORKERS),
  size: fc.nat({ max: ROWS }),
  twice: fc.boolean(),
});
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never;
const ending = fc.constantFrom('publish' as const, 'publish' as const, 'cancel' as const, 'failJob' as const);

export function ledgerRandomConformance(open: () => Promise<Ledger>, runs: number): void {
  test('whatever workers, clocks and the network do, no row is lost, doubled or taken back', {
    timeout: 120_000,
  }, async () => {
    const seen = new Set<string>();
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 70, size: 'max' }),
        fc.constantFrom(0, 2, 30),
        ending,
        async (steps, retryCount, end) => {
          await using ledger = await open();
          await runningJob(ledger, CUTS, { retryCount });
          await runningJob(ledger, CUTS, { tenant: 'other', retryCount });
          const run = new Run(ledger, seen);
          for (const next of steps) {
            await run.take(next);
            await run.check();
          }
          await run.drain(end);
        },
      ),
      { numRuns: runs, interruptAfterTimeLimit: 60_000 },
    );
    // The hard situations were really met.
    const hard = [
      'fenced',
      'accepted',
      'accepted again',
      'exhausted',
      'cut by death',
      'lost',
      'completed',
      'restart',
    ];
    expect(hard.filter((what) => !seen.has(what))).toEqual([]);
  });
}

class Run {
  private readonly ledger: Ledger;
  private readonly seen: Set<string>;
  private time: Time = START;
  private requests = 0;
  private readonly leases: Lease[] = [];
  /** Highest attempt ever given for each row. */
  private readonly attempts = new Array<number>(ROWS).fill(0);
  /** Who was accepted for each row. */
  private readonly accepted = new Map<number, string>();
  private ended: JobRow | null = null;
  private stopped = false;

  constructor(ledger: Ledger, seen: Set<string>) {
    this.ledger = ledger;
    this.seen = seen;
  }

  async take(next: Step): Promise<void> {
    const { ledger } = this;
    if (next.verb === 'advance') {
      this.time = later(this.time, next.size * 100);
    } else if (next.verb === 'restart') {
      this.time = { nowMs: this.time.nowMs - 7, tickMs: next.size };
      await ledger.recover(this.time, LEASE_MS);
      this.seen.add('restart');
    } else if (next.verb === 'otherTenant') {
      await this.otherTenant(next);
    } else if (next.verb === 'claim') {
      await this.claim(next);
    } else if (next.verb === 'reap' || next.verb === 'workerDied') {
      await this.takeBack(next);
    } else if (next.verb === 'die') {
      await this.die(next);
    } else {
      const lease = this.leases[this.leases.length - 1 - next.lease];
      if (lease !== undefined) await this.withLease(next, lease);
    }
  }

  /** Everything that must be true at every moment. */
  async check(): Promise<void> {
    const job = present(await this.ledger.job('default', 'job-1'));
    const shards = await this.ledger.shards('default', 'job-1');
    const living = shards
      .filter((shard) => shard.state !== 'split')
      .sort((a, b) => a.range.start - b.range.start);
    let row = 0;
    for (const shard of living) {
      expect(shard.range.start).toBe(row);
      row = shard.range.end;
    }
    expect(row).toBe(ROWS);

    const parts = await this.ledger.parts('default', 'job-1');
    const accepted = living.filter((shard) => shard.state === 'accepted');
    const rowsOf = (shard: ShardRow) =>
      Array.from({ length: shard.range.end - shard.range.start }, (_, i) => shard.range.start + i);
    const now = new Map(
      accepted.flatMap((shard) =>
        rowsOf(shard).map((r) => [r, `${shard.shardId}/${shard.attempt}`] as const),
      ),
    );
    for (const [r, who] of this.accepted) expect(now.get(r)).toBe(who);
    for (const [r, who] of now) this.accepted.set(r, who);

    const expected = accepted.map((shard) => countsOf(shard.range)).reduce(addCounts, NO_ROWS);
    expect(job.counts).toEqual(expected);
    expect(parts.map((part) => part.counts).reduce(addCounts, NO_ROWS).scored).toBe(expected.scored);
    const leased = living.filter((shard) => shard.state === 'leased').length;
    expect(job.shards).toEqual({ total: living.length, accepted: accepted.length, leased });

    if (this.ended !== null) expect(job).toEqual(this.ended);
    else if (isTerminal(job.state)) this.ended = job;
    if (isTerminal(job.state) || job.state === 'completing') expect(leased).toBe(0);
    if (job.state === 'completing') expect(now.size).toBe(ROWS);
    if (!this.stopped) expect(job.error?.code ?? 'RETRIES_EXHAUSTED').toBe('RETRIES_EXHAUSTED');

    const events = await this.ledger.events('default', 'job-1', 0, 10_000);
    expect(events.map((event) => event.seq)).toEqual(events.map((_, index) => index + 1));
  }

  /** The faults stop: the job must come to its end in as many steps as there are rows, and every row be told of. */
  async drain(end: 'publish' | 'cancel' | 'failJob'): Promise<void> {
    const { ledger } = this;
    this.stopped = true;
    if (end === 'cancel') await ledger.cancel('default', 'job-1', this.time);
    if (end === 'failJob') await ledger.failJob('default', 'job-1', STORAGE, this.time);
    for (let turn = 0; turn < 2 * ROWS; turn += 1) {
      this.time = later(this.time, 31_000);
      await ledger.reap(this.time);
      await this.check();
      // Past the longest backoff.
      this.time = later(this.time, 31_000);
      const job = present(await ledger.job('default', 'job-1'));
      if (job.state !== 'running') break;
      const lease = await claimed(ledger, this.time);
      this.given(lease);
      expect(await ledger.complete(lease, completionOf(lease.range), this.time)).toBe('accepted');
    }
    for (const kind of ['audit', 'publish'] as const) {
      const request = { worker: 'task-9', requestId: kind, leaseMs: LEASE_MS, time: this.time };
      const task = await ledger.claimTask({ tenant: 'default', jobId: 'job-1', ...request });
      if (task === null) break;
      expect(task.kind).toBe(kind);
      if (kind === 'audit') await ledger.audited(task, {}, this.time);
      else await ledger.published(task, PUBLISHED, this.time);
    }
    await this.check();
    const job = present(await ledger.job('default', 'job-1'));
    expect(isTerminal(job.state)).toBe(true);
    if (job.state === 'completed') expect(job.counts).toEqual(countsOf({ start: 0, end: ROWS }));
    this.seen.add(job.state);
  }

  private given(lease: Lease): void {
    for (let row = lease.range.start; row < lease.range.end; row += 1) {
      expect(lease.attempt).toBeGreaterThan(this.attempts[row] as number);
      this.attempts[row] = lease.attempt;
    }
    this.leases.push(lease);
  }

  private async claim({ worker, twice }: Step): Promise<void> {
    this.requests += 1;
    const request = {
      tenant: 'default',
      jobId: 'job-1',
      worker,
      requestId: `r${this.requests}`,
      leaseMs: LEASE_MS,
    };
    const lease = await this.ledger.claim({ ...request, time: this.time });
    if (lease === null) return;
    this.given(lease);
    if (twice) expect(await this.ledger.claim({ ...request, time: this.time })).toEqual(lease);
  }

  private async takeBack({ verb, worker }: Step): Promise<void> {
    const leases = async () => present(await this.ledger.job('default', 'job-1')).shards.leased;
    const before = await leases();
    const splits = async () =>
      (await this.ledger.shards('default', 'job-1')).filter((shard) => shard.state === 'split').length;
    const splitBefore = await splits();
    if (verb === 'reap') await this.ledger.reap(this.time);
    else {
      const held = (await this.ledger.shards('default', 'job-1')).filter(
        (shard) => shard.worker === worker,
      ).length;
      expect(await this.ledger.workerDied(worker, CRASH, this.time)).toBe(held);
      expect(await this.ledger.workerDied(worker, CRASH, this.time)).toBe(0);
    }
    expect(await leases()).toBeLessThanOrEqual(before);
    if ((await splits()) > splitBefore) this.seen.add('cut by death');
  }

  /** A worker whose model dies on the batch that it has just noted. */
  private async die(next: Step): Promise<void> {
    const lease = this.leases[this.leases.length - 1 - next.lease];
    if (lease === undefined || (await this.say({ ...next, verb: 'suspect' }, lease)) === 'fenced') return;
    const shards = await this.ledger.shards('default', 'job-1');
    const worker = present(shards.find((shard) => shard.shardId === lease.shardId)?.worker);
    await this.takeBack({ ...next, verb: 'workerDied', worker });
    this.time = later(this.time, 500);
  }

  private async withLease(next: Step, lease: Lease): Promise<void> {
    const live = await isLive(this.ledger, lease);
    const before = await everythingOf(this.ledger, 'default', 'job-1');
    const answer = await this.say(next, lease);
    if (answer === null) return;
    this.seen.add(answer);
    const refusal = next.verb === 'renew' ? 'lost' : 'fenced';
    if (live) {
      expect(answer).not.toBe(refusal);
    } else {
      // A repeated completion is told so; in no case does anything change.
      if (answer !== refusal)
        expect([answer, next.verb]).toEqual(['accepted', next.verb === 'split' ? 'split' : 'complete']);
      expect(await everythingOf(this.ledger, 'default', 'job-1')).toBe(before);
    }
    if (live && answer === 'accepted' && next.twice) {
      expect(await this.say(next, lease)).toBe('accepted');
      this.seen.add('accepted again');
    }
  }

  private async say({ verb, size }: Step, lease: Lease): Promise<string | null> {
    const { ledger, time } = this;
    const rows = lease.range.end - lease.range.start;
    const middle = lease.range.start + 1 + (size % rows);
    const suspect = { start: middle - 1, end: Math.min(lease.range.end, middle + (size % 3)) };
    if (verb === 'complete') return this.refusable(ledger.complete(lease, completionOf(lease.range), time));
    if (verb === 'split') {
      if (middle >= lease.range.end) return null;
      return this.refusable(
        ledger.split(lease, completionOf({ start: lease.range.start, end: middle }), time),
      );
    }
    if (verb === 'suspect') return ledger.suspect(lease, suspect, time);
    if (verb === 'renew')
      return String(await ledger.renew(lease, { rows: size % rows, rejected: 0 }, time, LEASE_MS));
    if (verb === 'release') return ledger.release(lease, time);
    const permanent = false;
    if (verb === 'failSuspect')
      return ledger.fail(lease, { report: { ...CRASH, code: 'MODEL_TIMEOUT' }, suspect, permanent }, time);
    return ledger.fail(lease, { report: STORAGE, suspect: null, permanent }, time);
  }

  /** Another range under an attempt that was accepted is refused as a mistake: no answer to foretell. */
  private async refusable(answer: Promise<string>): Promise<string | null> {
    return answer.catch((error) => {
      if ((error as { code?: string }).code === 'REQUEST_INVALID') return null;
      throw error;
    });
  }

  private async otherTenant({ worker, size }: Step): Promise<void> {
    const before = await everythingOf(this.ledger, 'default', 'job-1');
    const request = {
      tenant: 'other',
      jobId: 'job-1',
      worker: `other-${worker}`,
      leaseMs: 1e9,
      time: this.time,
    };
    const lease = await this.ledger.claim({ ...request, requestId: `o${size}` });
    if (lease !== null && size % 2 === 0)
      await this.ledger.complete(lease, completionOf(lease.range), this.time);
    for (const stale of this.leases.slice(-2))
      await this.ledger.release({ ...stale, tenant: 'other' }, this.time);
    if (size % 7 === 0) await this.ledger.cancel('other', 'job-1', this.time);
    expect(await everythingOf(this.ledger, 'default', 'job-1')).toBe(before);
  }
}
