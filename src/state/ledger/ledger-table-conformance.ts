import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { Failure } from '../../core/errors.ts';
import type { Lease, TaskLease } from '../../core/lease.ts';
import type { ShardState } from '../../core/states.ts';
import type { Ledger, Time } from './ledger.ts';
import {
  CRASH,
  claim,
  claimed,
  claimTask,
  completionOf,
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

/** A job's states, with `completing` taken apart at the point of no return. */
const PHASES = [
  'submitted',
  'preparing',
  'running',
  'completing',
  'publishing',
  'completed',
  'failed',
  'cancelled',
] as const;
type Phase = (typeof PHASES)[number];

/** `answer`, or `answer > next` where the phase changes. The same tables stand in docs/ledger-spec.md. */
// biome-ignore format: a table reads as a table
const JOB_TABLE = {
  'submit, same identity': { submitted: 'resumed', preparing: 'resumed', running: 'resumed', completing: 'resumed', publishing: 'resumed', completed: 'created', failed: 'created', cancelled: 'created' },
  'submit, same identity, fresh': { submitted: 'created > cancelled', preparing: 'created > cancelled', running: 'created > cancelled', completing: 'created > cancelled', publishing: 'busy', completed: 'created', failed: 'created', cancelled: 'created' },
  'submit, other identity, same destination': { submitted: 'busy', preparing: 'busy', running: 'busy', completing: 'busy', publishing: 'busy', completed: 'created', failed: 'created', cancelled: 'created' },
  'claimTask, none held': { submitted: 'pin > preparing', preparing: 'pin', running: 'null', completing: 'audit', publishing: 'publish', completed: 'null', failed: 'null', cancelled: 'null' },
  'claimTask, one held': { submitted: '-', preparing: 'null', running: '-', completing: 'null', publishing: 'null', completed: '-', failed: '-', cancelled: '-' },
  renewTask: { submitted: 'lost', preparing: 'held', running: 'lost', completing: 'held', publishing: 'held', completed: 'lost', failed: 'lost', cancelled: 'lost' },
  plan: { submitted: 'fenced', preparing: 'accepted > running', running: 'accepted', completing: 'fenced', publishing: 'fenced', completed: 'fenced', failed: 'accepted', cancelled: 'accepted' },
  'plan, no rows': { submitted: 'fenced', preparing: 'accepted > completing', running: 'accepted', completing: 'fenced', publishing: 'fenced', completed: 'fenced', failed: 'accepted', cancelled: 'accepted' },
  audited: { submitted: 'fenced', preparing: 'fenced', running: 'fenced', completing: 'accepted > publishing', publishing: 'fenced', completed: 'fenced', failed: 'fenced', cancelled: 'fenced' },
  published: { submitted: 'fenced', preparing: 'fenced', running: 'fenced', completing: 'fenced', publishing: 'accepted > completed', completed: 'accepted', failed: 'fenced', cancelled: 'fenced' },
  'failTask, permanent': { submitted: 'fenced', preparing: 'failed > failed', running: 'fenced', completing: 'failed > failed', publishing: 'failed > failed', completed: 'fenced', failed: 'fenced', cancelled: 'fenced' },
  'failTask, retryable': { submitted: 'fenced', preparing: 'retrying', running: 'fenced', completing: 'retrying', publishing: 'retrying', completed: 'fenced', failed: 'fenced', cancelled: 'fenced' },
  'claim, a shard is ready': { submitted: '-', preparing: '-', running: 'lease', completing: '-', publishing: '-', completed: '-', failed: 'null', cancelled: 'null' },
  'complete, the last shard': { submitted: 'fenced', preparing: 'fenced', running: 'accepted > completing', completing: 'accepted', publishing: 'accepted', completed: 'accepted', failed: 'fenced', cancelled: 'fenced' },
  'fail, permanent': { submitted: 'fenced', preparing: 'fenced', running: 'exhausted > failed', completing: 'fenced', publishing: 'fenced', completed: 'fenced', failed: 'fenced', cancelled: 'fenced' },
  'reap, all leases over': { submitted: '0', preparing: '1', running: '1', completing: '1', publishing: '1', completed: '0', failed: '0', cancelled: '0' },
  cancel: { submitted: 'cancelled > cancelled', preparing: 'cancelled > cancelled', running: 'cancelled > cancelled', completing: 'cancelled > cancelled', publishing: 'publishing', completed: 'finished', failed: 'finished', cancelled: 'finished' },
  failJob: { submitted: 'true > failed', preparing: 'true > failed', running: 'true > failed', completing: 'true > failed', publishing: 'false', completed: 'false', failed: 'false', cancelled: 'false' },
} as const satisfies Record<string, Record<Phase, string>>;
type JobEvent = keyof typeof JOB_TABLE;

// biome-ignore format: a table reads as a table
const SHARD_TABLE = {
  'claim, new request': { ready: 'lease > leased', leased: 'null', accepted: 'null', split: 'null' },
  'claim, same request': { ready: 'lease > leased', leased: 'same lease', accepted: 'null', split: 'null' },
  renew: { ready: 'lost', leased: 'held', accepted: 'lost', split: 'lost' },
  suspect: { ready: 'fenced', leased: 'noted', accepted: 'fenced', split: 'fenced' },
  complete: { ready: 'fenced', leased: 'accepted > accepted', accepted: 'accepted', split: 'fenced' },
  'complete, other range': { ready: 'fenced', leased: 'REQUEST_INVALID', accepted: 'REQUEST_INVALID', split: 'fenced' },
  'complete, attempt too low': { ready: 'fenced', leased: 'fenced', accepted: 'fenced', split: 'fenced' },
  'complete, counts wrong': { ready: 'fenced', leased: 'ACCOUNTING', accepted: 'accepted', split: 'fenced' },
  split: { ready: 'fenced', leased: 'accepted > accepted', accepted: 'REQUEST_INVALID', split: 'fenced' },
  'split, not a prefix': { ready: 'fenced', leased: 'REQUEST_INVALID', accepted: 'REQUEST_INVALID', split: 'fenced' },
  'split, all of it': { ready: 'fenced', leased: 'REQUEST_INVALID', accepted: 'accepted', split: 'fenced' },
  release: { ready: 'fenced', leased: 'released > ready', accepted: 'fenced', split: 'fenced' },
  fail: { ready: 'fenced', leased: 'retrying > ready', accepted: 'fenced', split: 'fenced' },
  'fail, suspect known': { ready: 'fenced', leased: 'retrying > split', accepted: 'fenced', split: 'fenced' },
  workerDied: { ready: '0', leased: '1 > ready', accepted: '0', split: '0' },
  'workerDied, suspect noted': { ready: '0', leased: '1 > split', accepted: '0', split: '0' },
  workerAbandoned: { ready: '0', leased: '1 > ready', accepted: '0', split: '0' },
  'reap, lease over': { ready: '0', leased: '1 > ready', accepted: '0', split: '0' },
  'reap, lease living': { ready: '0', leased: '0', accepted: '0', split: '0' },
} as const satisfies Record<string, Record<ShardState, string>>;
type ShardEvent = keyof typeof SHARD_TABLE;

export function ledgerTableConformance(open: () => Promise<Ledger>): void {
  describe('no event does anything in a state but what the table says', () => {
    for (const [event, row] of Object.entries(JOB_TABLE)) {
      for (const phase of PHASES.filter((phase) => row[phase] !== '-')) {
        test(`job ${phase}: ${event}: ${row[phase]}`, async () => {
          await using ledger = await open();
          const reached = await reachPhase(ledger, phase);
          const before = await ledger.job('default', 'job-1');
          const answer = await JOB_EVENTS[event as JobEvent](ledger, reached);
          const now = await phaseOf(ledger);
          expect(now === phase ? answer : `${answer} > ${now}`).toBe(row[phase]);
          if (before?.error || before?.published || phase === 'cancelled') {
            expect(await ledger.job('default', 'job-1')).toEqual(before);
          }
        });
      }
    }
    for (const [event, row] of Object.entries(SHARD_TABLE)) {
      for (const state of ['ready', 'leased', 'accepted', 'split'] as const) {
        test(`shard ${state}: ${event}: ${row[state]}`, async () => {
          await using ledger = await open();
          const reached = await reachShard(ledger, state);
          const answer = await SHARD_EVENTS[event as ShardEvent](ledger, reached).catch((error) => {
            if (error instanceof Failure) return error.code;
            throw error;
          });
          const now = await shardState(ledger);
          expect(now === state ? answer : `${answer} > ${now}`).toBe(row[state]);
        });
      }
    }
  });

  test('the specification says the same as the tables that are tested', () => {
    const text = readFileSync(new URL('../../../docs/ledger-spec.md', import.meta.url), 'utf8');
    expect(tableIn(text, 'Job events')).toEqual(JOB_TABLE);
    expect(tableIn(text, 'Shard events')).toEqual(SHARD_TABLE);
  });
}

interface Reached {
  /** The newest task lease; in `submitted` one that was never given. */
  readonly task: TaskLease;
  readonly lease: Lease;
  readonly time: Time;
}

const ONE_SHARD = { start: 0, end: 10 };
const NEVER_GIVEN: Lease = {
  tenant: 'default',
  jobId: 'job-1',
  shardId: 0,
  attempt: 1,
  range: ONE_SHARD,
  careful: false,
  condemned: null,
  rejectsLeft: 0,
};

/** Task phases hold their task's lease, `running` holds the lease of its only shard; `failed` and `cancelled` held it. */
async function reachPhase(ledger: Ledger, phase: Phase): Promise<Reached> {
  await ledger.submit(submission());
  const reached = {
    task: { tenant: 'default', jobId: 'job-1', fence: 1, kind: 'pin' as const },
    lease: NEVER_GIVEN,
    time: START,
  };
  if (phase === 'submitted') return reached;
  const pin = present(await claimTask(ledger, START));
  if (phase === 'preparing') return { ...reached, task: pin };
  await ledger.plan(pin, planOf(10), START);
  const lease = await claimed(ledger, START);
  const running = { task: pin, lease, time: START };
  if (phase === 'failed') await ledger.failJob('default', 'job-1', STORAGE, START);
  if (phase === 'cancelled') await ledger.cancel('default', 'job-1', START);
  if (phase === 'running' || phase === 'failed' || phase === 'cancelled') return running;
  await ledger.complete(lease, completionOf(ONE_SHARD), START);
  const audit = present(await claimTask(ledger, START));
  if (phase === 'completing') return { ...running, task: audit };
  await ledger.audited(audit, {}, START);
  const publish = present(await claimTask(ledger, START));
  if (phase === 'publishing') return { ...running, task: publish };
  await ledger.published(publish, PUBLISHED, START);
  return { ...running, task: publish };
}

const kindOf = async (outcome: Promise<{ kind: string }>) => (await outcome).kind;

const JOB_EVENTS: Record<JobEvent, (ledger: Ledger, reached: Reached) => Promise<string>> = {
  'submit, same identity': (ledger) => kindOf(ledger.submit(submission({ jobId: 'job-2' }))),
  'submit, same identity, fresh': (ledger) =>
    kindOf(ledger.submit(submission({ jobId: 'job-2', fresh: true }))),
  'submit, other identity, same destination': (ledger) =>
    kindOf(ledger.submit(submission({ jobId: 'job-2', identity: 'identity-2' }))),
  'claimTask, none held': async (ledger, { time }) => {
    await ledger.workerDied('task-1', CRASH, time);
    return (await claimTask(ledger, later(time, 60_000), 'task-2'))?.kind ?? 'null';
  },
  'claimTask, one held': async (ledger, { time }) => String(await claimTask(ledger, time, 'task-2')),
  renewTask: (ledger, { task, time }) => ledger.renewTask(task, time, LEASE_MS),
  plan: (ledger, { task, time }) => ledger.plan(task, planOf(10), time),
  'plan, no rows': (ledger, { task, time }) => ledger.plan(task, planOf(), time),
  audited: (ledger, { task, time }) => ledger.audited(task, { rows: 10 }, time),
  published: (ledger, { task, time }) => ledger.published(task, PUBLISHED, time),
  'failTask, permanent': (ledger, { task, time }) =>
    ledger.failTask(task, { report: STORAGE, permanent: true }, time),
  'failTask, retryable': (ledger, { task, time }) =>
    ledger.failTask(task, { report: STORAGE, permanent: false }, time),
  'claim, a shard is ready': async (ledger, { lease, time }) => {
    await ledger.release(lease, time);
    return (await claim(ledger, time, 'worker-2')) === null ? 'null' : 'lease';
  },
  'complete, the last shard': (ledger, { lease, time }) =>
    ledger.complete(lease, completionOf(ONE_SHARD), time),
  'fail, permanent': (ledger, { lease, time }) =>
    ledger.fail(lease, { report: STORAGE, suspect: null, permanent: true }, time),
  'reap, all leases over': async (ledger, { time }) => String(await ledger.reap(later(time, LEASE_MS + 1))),
  cancel: (ledger, { time }) => ledger.cancel('default', 'job-1', time),
  failJob: async (ledger, { time }) => String(await ledger.failJob('default', 'job-1', STORAGE, time)),
};

/** As the job shows it, except that completing with a publish that may be claimed is `publishing`. */
async function phaseOf(ledger: Ledger): Promise<Phase> {
  const { state } = present(await ledger.job('default', 'job-1'));
  if (state !== 'completing') return state;
  const audited = (await ledger.events('default', 'job-1', 0, 100)).some(
    (event) => event.type === 'job.audited',
  );
  return audited ? 'publishing' : 'completing';
}

/** Shard 0 of two, whose other is held by another worker all the time. Each comes with the newest lease of shard 0. */
async function reachShard(
  ledger: Ledger,
  state: ShardState,
): Promise<Reached & { readonly requestId: string }> {
  const task = await runningJob(ledger, [10, 20]);
  const requestId = freshRequest();
  const request = { tenant: 'default', jobId: 'job-1', worker: 'worker-1', requestId, leaseMs: LEASE_MS };
  // The first attempt is given back, so that there is a lower one than the newest.
  await ledger.release(await claimed(ledger, START), START);
  const lease = present(await ledger.claim({ ...request, time: START }));
  const other = await claimed(ledger, START, 'worker-2');
  await ledger.renew(other, { rows: 0, rejected: 0 }, START, 1_000_000_000);
  if (state === 'ready') await ledger.release(lease, START);
  if (state === 'accepted') await ledger.complete(lease, completionOf(ONE_SHARD), START);
  if (state === 'split') {
    await ledger.fail(lease, { report: STORAGE, suspect: { start: 3, end: 5 }, permanent: false }, START);
    for (let piece = 0; piece < 3; piece += 1) {
      const held = await claimed(ledger, later(START, 500), 'worker-2');
      await ledger.renew(held, { rows: 0, rejected: 0 }, START, 1_000_000_000);
    }
  }
  return { task, lease, time: START, requestId };
}

const report = (suspect: { start: number; end: number } | null) => ({
  report: STORAGE,
  suspect,
  permanent: false,
});

const SHARD_EVENTS: Record<
  ShardEvent,
  (ledger: Ledger, at: Reached & { readonly requestId: string }) => Promise<string>
> = {
  'claim, new request': async (ledger, { time }) =>
    (await claim(ledger, time, 'worker-1')) === null ? 'null' : 'lease',
  'claim, same request': async (ledger, { lease, requestId, time }) => {
    const request = {
      tenant: 'default',
      jobId: 'job-1',
      worker: 'worker-1',
      requestId,
      leaseMs: LEASE_MS,
      time,
    };
    const again = await ledger.claim(request);
    if (again === null) return 'null';
    return again.attempt === lease.attempt && again.shardId === lease.shardId ? 'same lease' : 'lease';
  },
  renew: async (ledger, { lease, time }) =>
    String(await ledger.renew(lease, { rows: 1, rejected: 0 }, time, LEASE_MS)),
  suspect: (ledger, { lease, time }) => ledger.suspect(lease, { start: 0, end: 5 }, time),
  complete: (ledger, { lease, time }) => ledger.complete(lease, completionOf(ONE_SHARD), time),
  'complete, other range': (ledger, { lease, time }) =>
    ledger.complete(lease, completionOf({ start: 0, end: 9 }), time),
  'complete, attempt too low': (ledger, { lease, time }) =>
    ledger.complete({ ...lease, attempt: lease.attempt - 1 }, completionOf(ONE_SHARD), time),
  'complete, counts wrong': (ledger, { lease, time }) =>
    ledger.complete(lease, completionOf(ONE_SHARD, { read: 10, scored: 9, rejected: 0, filtered: 0 }), time),
  split: (ledger, { lease, time }) => ledger.split(lease, completionOf({ start: 0, end: 4 }), time),
  'split, not a prefix': (ledger, { lease, time }) =>
    ledger.split(lease, completionOf({ start: 1, end: 4 }), time),
  'split, all of it': (ledger, { lease, time }) => ledger.split(lease, completionOf(ONE_SHARD), time),
  release: (ledger, { lease, time }) => ledger.release(lease, time),
  fail: (ledger, { lease, time }) => ledger.fail(lease, report(null), time),
  'fail, suspect known': (ledger, { lease, time }) => ledger.fail(lease, report({ start: 3, end: 5 }), time),
  workerDied: async (ledger, { time }) => String(await ledger.workerDied('worker-1', CRASH, time)),
  'workerDied, suspect noted': async (ledger, { lease, time }) => {
    await ledger.suspect(lease, { start: 3, end: 5 }, time);
    return String(await ledger.workerDied('worker-1', CRASH, time));
  },
  workerAbandoned: async (ledger, { time }) => String(await ledger.workerAbandoned('worker-1', time)),
  'reap, lease over': async (ledger, { time }) => String(await ledger.reap(later(time, LEASE_MS + 1))),
  'reap, lease living': async (ledger, { time }) => String(await ledger.reap(later(time, LEASE_MS))),
};

async function shardState(ledger: Ledger): Promise<ShardState> {
  return present((await ledger.shards('default', 'job-1')).find((shard) => shard.shardId === 0)).state;
}

/** The Markdown table below a heading, as a record of rows by column. */
function tableIn(text: string, heading: string): Record<string, Record<string, string>> {
  const section = present(text.split(/^#+ /m).find((part) => part.startsWith(`${heading}\n`)));
  const [head, , ...rows] = section
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
  const columns = present(head).slice(1);
  return Object.fromEntries(
    rows.map(([name, ...cells]) => [
      present(name),
      Object.fromEntries(columns.map((column, index) => [column, present(cells[index])])),
    ]),
  );
}
