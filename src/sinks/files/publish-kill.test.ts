import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Failure } from '../../core/errors.ts';
import type { PublishRequest } from '../sink.ts';
import { type Mode, publishInChild, type SinkFixture, sinkFixture } from './sink-fixture.ts';

const STEPS = [
  'claimed',
  'rolled back',
  'assembly begun',
  'file placed',
  'manifest written',
  'assembled',
  'about to move the old away',
  'old moved away',
  'about to move the new in',
  'new moved in',
  'released',
] as const;
const MODES: readonly Mode[] = ['error', 'overwrite', 'append'];
const CASES = MODES.flatMap((mode) => STEPS.map((step) => [mode, step] as const));

let fixture: SinkFixture;
beforeEach(async () => {
  fixture = await sinkFixture();
});
afterEach(async () => fixture[Symbol.asyncDispose]());

const prepare = async (jobId: string, mode: Mode, first: number): Promise<PublishRequest> =>
  fixture.request(
    jobId,
    mode,
    1,
    [await fixture.stage([first]), await fixture.stage([first + 1])],
    [await fixture.stage([first + 2])],
  );
const publish = (request: PublishRequest, fence: number) =>
  fixture.sink().publish({ ...request, fence }, fixture.context);
const kill = async (request: PublishRequest, step: string, time = 1) => {
  const order = { ...request, root: fixture.root, killAt: { step, time } };
  expect((await publishInChild(order)).signal).toBe('SIGKILL');
};

/** Looks at the destination over and over. Whatever it sees must be nothing, or one of the whole results given. */
function watch(...results: readonly (readonly string[])[]) {
  const allowed = new Set(['', ...results.map((names) => names.toSorted().join())]);
  const strange = new Set<string>();
  let looks = 0;
  let stopped = false;
  const look = async () => {
    const names = await readdir(fixture.destination).catch(() => []);
    const inside = names.filter((name) => name.startsWith('job-'));
    const deeper = await Promise.all(
      inside.map(async (name) => {
        const files = await readdir(join(fixture.destination, name)).catch(() => []);
        return files.map((file) => `${name}/${file}`);
      }),
    );
    const seen = [...names.filter((name) => !inside.includes(name)), ...deeper.flat()].sort().join();
    if (!allowed.has(seen)) strange.add(seen);
    looks++;
  };
  const watching = (async () => {
    while (!stopped) await look();
  })();
  return async () => {
    stopped = true;
    await watching;
    expect([...strange]).toEqual([]);
    expect(looks).toBeGreaterThan(10);
  };
}

const namesOf = (jobId: string, parts = 2) => [
  '_manifest.json',
  '_rejects',
  ...Array.from({ length: parts }, (_, index) => `part-${jobId}-0000${index}.parquet`),
];
const below = (folder: string, names: readonly string[]) => names.map((name) => `${folder}/${name}`);

test.each(CASES)(
  '%s, killed when "%s": the next process ends with exactly one whole result',
  async (mode, step) => {
    const before = mode === 'error' ? [] : [1, 2];
    if (mode !== 'error') await publish(await prepare('job-old', 'error', 1), 1);
    const old = mode === 'error' ? [] : namesOf('job-old');
    const request = await prepare('job-new', mode, 11);
    const stop = watch(
      old,
      mode === 'append' ? [...old, ...below('job-new', namesOf('job-new'))] : namesOf('job-new'),
    );

    await kill(request, step, step === 'file placed' ? 2 : 1);
    const done = step === 'new moved in' || step === 'released';
    const halfWay =
      mode === 'overwrite' && (step === 'old moved away' || step === 'about to move the new in');
    expect(await fixture.sink().probe(request)).toBe(done ? 'published' : halfWay ? 'partial' : 'absent');
    const after = mode === 'append' ? [...before, 11, 12] : [11, 12];
    expect(await fixture.visible()).toEqual(done ? after : halfWay || before.length === 0 ? null : before);

    await fixture.sink().check(request);
    await publish(request, 2);
    await stop();
    expect(await fixture.visible()).toEqual(after);
    expect(await fixture.sink().probe(request)).toBe('published');
    await fixture.sink().discard(request);
    expect(await readdir(join(fixture.root, 'out'))).toEqual(['scores']);
  },
);

test('killed at every step in turn, each time by another process, it still ends with one whole result', async () => {
  await publish(await prepare('job-old', 'error', 1), 1);
  const request = await prepare('job-new', 'overwrite', 11);
  const stop = watch(namesOf('job-old'), namesOf('job-new'));
  for (const [index, step] of STEPS.slice(0, -2).entries())
    await kill({ ...request, fence: index + 1 }, step);
  await kill({ ...request, fence: 100 }, 'new moved in');
  await publish(request, 101);
  await stop();
  expect(await fixture.visible()).toEqual([11, 12]);
  await fixture.sink().discard(request);
  expect(await readdir(join(fixture.root, 'out'))).toEqual(['scores']);
});

test.each(STEPS)(
  'another job takes over from one killed when "%s": first the old state, then its own',
  async (step) => {
    await publish(await prepare('job-old', 'error', 1), 1);
    const dead = await prepare('job-dead', 'overwrite', 11);
    const other = await prepare('job-other', 'overwrite', 21);
    const stop = watch(namesOf('job-old'), namesOf('job-dead'), namesOf('job-other'));
    await kill(dead, step);
    const done = step === 'new moved in' || step === 'released';

    // A job that may not replace anything finds the destination as it was before the dead one touched it.
    const careful = await prepare('job-careful', 'error', 31);
    for (const refused of [fixture.sink().check(careful), publish(careful, 1)]) {
      await expect(refused).rejects.toMatchObject({ code: 'DESTINATION_EXISTS' });
    }
    expect(await fixture.visible()).toEqual(done ? [11, 12] : [1, 2]);

    await publish(other, 1);
    expect(await fixture.visible()).toEqual([21, 22]);
    await publish(dead, 2);
    await stop();
    expect(await fixture.visible()).toEqual(done ? [21, 22] : [11, 12]);
    for (const job of [dead, other, careful]) await fixture.sink().discard(job);
    expect(await readdir(join(fixture.root, 'out'))).toEqual(['scores']);
  },
);

test('a job that fails for good after it was killed half-way gives the old output back', async () => {
  await publish(await prepare('job-old', 'error', 1), 1);
  const dead = await prepare('job-dead', 'overwrite', 11);
  await kill(dead, 'old moved away');
  expect(await fixture.visible()).toBeNull();
  await fixture.sink().discard(dead);
  expect(await fixture.visible()).toEqual([1, 2]);
  expect(await readdir(join(fixture.root, 'out'))).toEqual(['scores']);
});

/** A publish that stops at a step until it is let go. */
function pausedAt(request: PublishRequest, step: string) {
  const { promise: reached, resolve: arrive } = Promise.withResolvers<void>();
  const { promise: go, resolve: letGo } = Promise.withResolvers<void>();
  let waits = true;
  const onStep = async (now: string) => {
    if (now !== step || !waits) return;
    waits = false;
    arrive();
    await go;
  };
  const sink = fixture.sink({ identity: `test:${process.pid}`, onStep });
  const outcome = sink.publish(request, fixture.context).then(
    () => 'published',
    (error: Failure) => error.code,
  );
  return { reached, letGo, outcome };
}

test.each(CASES)(
  '%s: a task that was superseded when "%s" and wakes up changes nothing',
  async (mode, step) => {
    if (mode !== 'error') await publish(await prepare('job-old', 'error', 1), 1);
    const request = await prepare('job-new', mode, 11);
    const stale = pausedAt(request, step);
    await stale.reached;
    await publish(request, 2);
    const inode = await names();
    stale.letGo();
    const done = step === 'new moved in' || step === 'released';
    expect(await stale.outcome).toBe(done ? 'published' : 'PUBLISH_SUPERSEDED');
    expect(await names()).toEqual(inode);
    expect(await fixture.visible()).toEqual(mode === 'append' ? [1, 2, 11, 12] : [11, 12]);
  },
);

test.each(STEPS)(
  'overwrite of nothing: a task that was superseded when "%s" cannot take the new result away',
  async (step) => {
    const request = await prepare('job-new', 'overwrite', 11);
    const stale = pausedAt(request, step);
    await stale.reached;
    await publish(request, 2);
    stale.letGo();
    await stale.outcome;
    expect(await fixture.visible()).toEqual([11, 12]);
  },
);

test('a superseded task that wakes while the newer one assembles leaves the old output where it is', async () => {
  await publish(await prepare('job-old', 'error', 1), 1);
  const request = await prepare('job-new', 'overwrite', 11);
  const stale = pausedAt(request, 'assembled');
  await stale.reached;
  const newer = pausedAt({ ...request, fence: 2 }, 'file placed');
  await newer.reached;
  stale.letGo();
  expect(await stale.outcome).toBe('PUBLISH_SUPERSEDED');
  expect(await fixture.visible()).toEqual([1, 2]);
  newer.letGo();
  expect(await newer.outcome).toBe('published');
  expect(await fixture.visible()).toEqual([11, 12]);
});

test('what a job had replaced does not come back when its result is deleted, though it died before it let go', async () => {
  await publish(await prepare('job-old', 'error', 1), 1);
  await kill(await prepare('job-dead', 'overwrite', 11), 'new moved in');
  await rm(fixture.destination, { recursive: true });
  await publish(await prepare('job-next', 'error', 21), 1);
  expect(await fixture.visible()).toEqual([21, 22]);
});

test('a job whose first try found nothing to replace goes on when another has published meanwhile', async () => {
  const request = await prepare('job-new', 'overwrite', 11);
  await kill(request, 'old moved away');
  await publish(await prepare('job-other', 'error', 21), 1);
  await publish(request, 2);
  expect(await fixture.visible()).toEqual([11, 12]);
});

const names = async () => (await readdir(fixture.destination, { recursive: true })).sort();

test.each(STEPS.slice(0, -1))(
  'while one job is at "%s", another is refused and nothing of it shows',
  async (step) => {
    await publish(await prepare('job-old', 'error', 1), 1);
    const first = pausedAt(await prepare('job-1', 'overwrite', 11), step);
    await first.reached;
    const second = await prepare('job-2', 'overwrite', 21);
    const busy = {
      code: 'DESTINATION_BUSY',
      message: expect.stringContaining(`job job-1 (process ${process.pid}`),
    };
    await expect(publish(second, 1)).rejects.toMatchObject(busy);
    await expect(fixture.sink().check(second)).rejects.toMatchObject(busy);
    await fixture.sink().discard(second);
    first.letGo();
    expect(await first.outcome).toBe('published');
    expect(await fixture.visible()).toEqual([11, 12]);
    await publish(second, 1);
    expect(await fixture.visible()).toEqual([21, 22]);
  },
);

test('of two processes that publish at once, none is refused for good and the last one is whole', async () => {
  const first = await prepare('job-1', 'overwrite', 11);
  const second = await prepare('job-2', 'overwrite', 21);
  const stop = watch(namesOf('job-1'), namesOf('job-2'));
  const order = (request: PublishRequest) => ({ ...request, root: fixture.root, killAt: null });
  const answers = await Promise.all([publishInChild(order(first)), publishInChild(order(second))]);
  for (const { answer } of answers) expect(['done', 'DESTINATION_BUSY']).toContain(answer);
  expect(answers.some(({ answer }) => answer === 'done')).toBe(true);
  await publish(first, 2);
  await publish(second, 2);
  await stop();
  expect([
    [11, 12],
    [21, 22],
  ]).toContainEqual(await fixture.visible());
});
