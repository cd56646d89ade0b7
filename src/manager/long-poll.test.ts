import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { claimed, runningJob, START } from '../state/ledger/ledger-fixture-conformance.ts';
import { openLedgerInProcess } from '../state/sqlite/open-ledger.ts';
import { createChanges } from './changes.ts';
import { createLongPoll } from './long-poll.ts';

const clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  sleep: async (ms: number, signal?: AbortSignal) => {
    await sleep(ms, undefined, signal === undefined ? {} : { signal }).catch(() => {});
  },
};

async function openPoll(draining = false) {
  const ledger = openLedgerInProcess({
    file: ':memory:',
    random: { bytes: (n) => new Uint8Array(n), float: () => 0.5 },
  });
  await runningJob(ledger, [10]);
  const changes = createChanges(clock);
  const longPoll = createLongPoll({ ledger, clock, changes }, () => draining);
  const ask = async () => ({ kind: 'lease' as const, lease: await claimed(ledger, START) });
  return { ledger, changes, longPoll, ask };
}

const asker = { tenant: 'default', jobId: 'job-1', over: () => false };

test('no lease is granted to a caller that has hung up: nobody would give it back', async () => {
  const { ledger, changes, longPoll, ask } = await openPoll();
  const caller = new AbortController();
  let looked = 0;
  const question = longPoll({
    ...asker,
    gone: caller.signal,
    ask: async () => {
      looked += 1;
      return looked > 1 ? ask() : null;
    },
  });
  caller.abort();
  changes.changed('job-1');
  expect(await question).toEqual({ kind: 'wait' });
  expect((await ledger.job('default', 'job-1'))?.shards.leased).toBe(0);
});

test('whoever stays is answered as soon as something changes, or told that there is no more work', async () => {
  const { ledger, changes, longPoll, ask } = await openPoll();
  const { signal } = new AbortController();
  let looked = 0;
  const question = longPoll({
    ...asker,
    gone: signal,
    ask: async () => {
      looked += 1;
      if (looked === 1) changes.changed('job-1');
      return looked > 1 ? ask() : null;
    },
  });
  expect(await question).toMatchObject({ kind: 'lease' });
  expect((await ledger.job('default', 'job-1'))?.shards.leased).toBe(1);
  expect(await longPoll({ ...asker, gone: signal, over: () => true, ask })).toEqual({ kind: 'done' });
  expect(await longPoll({ ...asker, jobId: 'job-2', gone: signal, ask })).toEqual({ kind: 'done' });
  const drained = await openPoll(true);
  expect(await drained.longPoll({ ...asker, gone: signal, ask: drained.ask })).toEqual({ kind: 'done' });
});
