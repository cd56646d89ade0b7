import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Failure } from './errors.ts';
import {
  afterFailedAttempt,
  backoffMs,
  isPermanent,
  rejectLimit,
  type ShardHistory,
  type Trouble,
} from './failure-rules.ts';

const range = { start: 100, end: 200 };
const fresh: ShardHistory = { range, careful: false, condemned: null, failures: 0, deaths: 0 };
const death: Trouble = {
  kind: 'death',
  report: new Failure('WORKER_LOST', 'gone').toJSON(),
  suspect: null,
  permanent: false,
};
const failure: Trouble = {
  kind: 'failure',
  report: new Failure('STORAGE_FAILED', '503').toJSON(),
  suspect: null,
  permanent: false,
};
const hang: Trouble = {
  ...failure,
  report: new Failure('MODEL_TIMEOUT', 'slow').toJSON(),
  suspect: { start: 120, end: 130 },
};

test('the wait before a retry doubles up to half a minute, and two workers do not wait alike', () => {
  expect([1, 2, 3, 7, 50, 5_000].map((failures) => backoffMs(failures, 0.5))).toEqual([
    250, 500, 1_000, 15_000, 15_000, 15_000,
  ]);
  expect(backoffMs(3, 0)).toBe(0);
  expect(backoffMs(3, 0.999)).toBeLessThan(2_000);
});

test('what cannot get better is not tried again, whether the worker says so or the code', () => {
  expect(isPermanent('SOURCE_CHANGED', false)).toBe(true);
  expect(isPermanent('STORAGE_FAILED', true)).toBe(true);
  expect(isPermanent('STORAGE_FAILED', false)).toBe(false);
});

test('a share of the rows is rounded down, and not by a rounding error of the multiplication', () => {
  expect(rejectLimit({ count: 7 }, 3)).toBe(7);
  expect(rejectLimit({ share: 0.29 }, 100)).toBe(29);
  expect(rejectLimit({ share: 0.005 }, 199)).toBe(0);
  expect(rejectLimit({ share: 1 }, 1e15)).toBe(1e15);
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 10_000 }),
      fc.integer({ min: 0, max: 1e9 }),
      (basisPoints, rows) => {
        expect(rejectLimit({ share: basisPoints / 10_000 }, rows)).toBe(
          Number((BigInt(basisPoints) * BigInt(rows)) / 10_000n),
        );
      },
    ),
  );
});

test('the second death without a trace turns a shard careful; the first one does not', () => {
  const first = afterFailedAttempt(fresh, death, 3, 0.5);
  expect(first).toMatchObject({ next: 'retry', failures: 1, deaths: 1, careful: false, delayMs: 250 });
  const second = afterFailedAttempt({ ...fresh, failures: 1, deaths: 1 }, death, 3, 0.5);
  expect(second).toMatchObject({ next: 'retry', failures: 2, deaths: 0, careful: true });
});

test('failures other than deaths never turn a shard careful', () => {
  expect(afterFailedAttempt({ ...fresh, failures: 2, deaths: 1 }, failure, 3, 0)).toMatchObject({
    deaths: 1,
    careful: false,
  });
});

test('a known suspect is cut out; narrowing down is free, the first step is not', () => {
  expect(afterFailedAttempt(fresh, hang, 3, 0.5)).toMatchObject({
    next: 'cut',
    suspect: hang.suspect,
    failures: 1,
  });
  const careful = { ...fresh, careful: true, failures: 3 };
  expect(afterFailedAttempt(careful, hang, 3, 0.5)).toEqual({
    next: 'cut',
    suspect: hang.suspect,
    failures: 3,
    delayMs: 0,
  });
  expect(afterFailedAttempt(fresh, hang, 0, 0.5)).toMatchObject({ next: 'fail-job' });
});

test('a suspect that is the whole shard makes it careful and counts, so it cannot go round for ever', () => {
  const whole = { ...hang, suspect: range };
  expect(afterFailedAttempt(fresh, whole, 3, 0)).toMatchObject({ next: 'retry', careful: true, failures: 1 });
  expect(afterFailedAttempt({ ...fresh, careful: true, failures: 3 }, whole, 3, 0)).toMatchObject({
    next: 'fail-job',
  });
});

test('a suspect outside the shard is no suspect', () => {
  expect(afterFailedAttempt(fresh, { ...hang, suspect: { start: 0, end: 100 } }, 3, 0)).toMatchObject({
    next: 'retry',
  });
});

test('one row alone in the model is condemned by its second time, under the code of its cause', () => {
  const alone = { start: 100, end: 101 };
  const row: ShardHistory = { ...fresh, range: alone, careful: true, failures: 3 };
  const once = { ...death, suspect: alone };
  expect(afterFailedAttempt(row, once, 3, 0)).toMatchObject({
    deaths: 1,
    condemned: null,
    failures: 3,
    delayMs: 0,
  });
  const twice = { ...row, deaths: 1 };
  const codes = [
    once,
    { ...hang, suspect: alone },
    { ...once, report: { ...once.report, code: 'OUT_OF_MEMORY' as const } },
  ].map((trouble) => {
    const verdict = afterFailedAttempt(twice, trouble, 3, 0);
    return verdict.next === 'retry' ? verdict.condemned?.code : verdict.next;
  });
  expect(codes).toEqual(['MODEL_CRASHED', 'RECORD_TIMEOUT', 'RECORD_OUT_OF_MEMORY']);
  expect(afterFailedAttempt(twice, { ...failure, suspect: alone }, 3, 0)).toMatchObject({ next: 'fail-job' });
  expect(afterFailedAttempt(twice, death, 3, 0)).toMatchObject({ next: 'fail-job' });
});

test('however attempts fail, the tries at one shard of n rows come to an end', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1 << 20 }),
      fc.nat({ max: 10 }),
      fc.infiniteStream(
        fc.record({
          dead: fc.boolean(),
          known: fc.boolean(),
          at: fc.double({ min: 0, max: 0.999, noNaN: true }),
        }),
      ),
      (rows, retryCount, stream) => {
        let shard: ShardHistory = { ...fresh, range: { start: 0, end: rows } };
        let tries = 0;
        for (const { dead, known, at } of stream) {
          tries += 1;
          const { start, end } = shard.range;
          const size = Math.max(1, Math.ceil((end - start) / 2));
          const first = Math.min(end - size, start + Math.floor(at * (end - start)));
          const suspect = known ? { start: first, end: first + size } : null;
          const verdict = afterFailedAttempt(shard, { ...(dead ? death : hang), suspect }, retryCount, 0);
          if (verdict.next === 'fail-job' || (verdict.next === 'retry' && verdict.condemned !== null)) break;
          if (verdict.next === 'cut')
            shard = { ...fresh, range: verdict.suspect, careful: true, failures: verdict.failures };
          else shard = { ...verdict, range: shard.range };
        }
        expect(tries).toBeLessThanOrEqual(retryCount + 1 + 21 + 2);
      },
    ),
  );
});
