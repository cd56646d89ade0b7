import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ModelVersion } from '../../core/model-version.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { runningJob, START, submission } from '../ledger/ledger-fixture-conformance.ts';
import type { AddVersionInput, Models } from './models.ts';

/** What any implementation of the model registry's state has to pass. `open` gives a new, empty state each time. */
export function modelsConformance(open: () => Promise<Ledger & { readonly models: Models }>): void {
  let ledger: Ledger;
  let models: Models;
  beforeEach(async () => {
    const opened = await open();
    ledger = opened;
    models = opened.models;
  });
  afterEach(() => ledger[Symbol.asyncDispose]());

  const add = async (overrides: Partial<AddVersionInput> = {}): Promise<number> =>
    (await models.addModelVersion(version(overrides))).model.version;
  const move = (alias: string, to: number | null, nowMs = 1) =>
    models.moveModelAlias({ tenant: 'default', name: 'churn', alias, version: to, by: 'ann', nowMs });
  const remove = (number: number, force = false) =>
    models.removeModelVersion({
      tenant: 'default',
      name: 'churn',
      version: number,
      force,
      by: 'ann',
      nowMs: 9,
    });
  const using = (number: number, alias: string | null = null) => ({
    model: { name: 'churn', version: number, alias },
  });
  const aliases = async () => (await models.modelChoices('default', 'churn'))?.aliases;

  describe('versions', () => {
    test('are numbered in order, for each name and tenant by itself', async () => {
      expect(await add({ bytes: bytes('1') })).toBe(1);
      expect(await add({ bytes: bytes('2') })).toBe(2);
      expect(await add({ name: 'fraud', bytes: bytes('2') })).toBe(1);
      expect(await add({ tenant: 'other', bytes: bytes('3') })).toBe(1);
      expect(await models.modelVersion('other', 'churn', 2)).toBeNull();
      expect(await models.modelChoices('other', 'fraud')).toBeNull();
    });

    test('the same bytes with the same metadata again are the version that is there', async () => {
      const first = await models.addModelVersion(version({ tags: { a: '1', b: '2' } }));
      await add({ bytes: bytes('2') });
      const again = await models.addModelVersion(
        version({ tags: { b: '2', a: '1' }, createdMs: 99, createdBy: 'bob' }),
      );
      expect(again).toEqual({ kind: 'same', model: first.model });
    });

    test.each<[string, Partial<AddVersionInput>]>([
      ['other bytes', { bytes: bytes('2') }],
      [
        'other weights beside the same graph',
        { bytes: { ...bytes('1'), companions: [{ name: 'w.bin', sizeBytes: 4, sha256: '4' }] } },
      ],
      ['another order of features', { contract: { ...CONTRACT, features: ['b', 'a'] } }],
      ['another key', { contract: { ...CONTRACT, key: 'other' } }],
      ['another order of outputs', { contract: { ...CONTRACT, outputs: { z: 'q', y: 'p' } } }],
      ['another tag', { tags: { team: 'b' } }],
      ['another description', { description: 'else' }],
    ])('%s makes a new version', async (_, overrides) => {
      await add();
      expect(await add(overrides)).toBe(2);
      expect(await add()).toBe(1);
    });

    test('come back as they were added', async () => {
      const input = version();
      await models.addModelVersion(input);
      const { alias: _, ...rest } = input;
      const expected: ModelVersion = { ...rest, version: 1, removed: null };
      expect(await models.modelVersion('default', 'churn', 1)).toEqual(expected);
      expect(Object.keys(expected.contract.outputs ?? {})).toEqual(['y', 'z']);
    });

    test('fifty that are added at once get fifty numbers', async () => {
      const numbers = await Promise.all(
        Array.from({ length: 50 }, (_, index) => add({ bytes: bytes(String(index)) })),
      );
      expect(numbers.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, index) => index + 1));
    });

    test('ten thousand of one model: what is read of them stays small', async () => {
      for (let index = 0; index < 10_000; index += 1) await add({ description: String(index) });
      expect((await models.modelChoices('default', 'churn'))?.versions).toHaveLength(20);
      const [summary, ...others] = await models.models('default', { after: null, limit: 50 });
      expect([summary?.versions, summary?.latest.version, others]).toEqual([10_000, 10_000, []]);
      const page = await models.modelVersions('default', 'churn', { before: 5_000, limit: 3 });
      expect(page.map((model) => model.version)).toEqual([4_999, 4_998, 4_997]);
    });
  });

  describe('aliases', () => {
    beforeEach(async () => {
      for (const each of ['1', '2', '3']) await add({ bytes: bytes(each) });
    });

    test('move, and each move is written down once', async () => {
      expect(await move('champion', 1, 10)).toEqual({ kind: 'moved', from: null });
      expect(await move('champion', 3, 20)).toEqual({ kind: 'moved', from: 1 });
      expect(await move('champion', 3, 30)).toEqual({ kind: 'same' });
      expect(await move('champion', null, 40)).toEqual({ kind: 'moved', from: 3 });
      expect(await move('champion', null, 50)).toEqual({ kind: 'same' });
      expect(await models.modelAliasMoves('default', 'churn', 10)).toEqual([
        { alias: 'champion', from: 3, to: null, atMs: 40, by: 'ann' },
        { alias: 'champion', from: 1, to: 3, atMs: 20, by: 'ann' },
        { alias: 'champion', from: null, to: 1, atMs: 10, by: 'ann' },
      ]);
    });

    test('never stand for what is not there', async () => {
      await remove(2);
      expect(await move('champion', 2)).toEqual({ kind: 'no-version' });
      expect(await move('champion', 4)).toEqual({ kind: 'no-version' });
      expect(await aliases()).toEqual([]);
    });

    test('are put by adding, also where the version was there', async () => {
      expect(await add({ bytes: bytes('1'), alias: 'champion' })).toBe(1);
      expect(await add({ bytes: bytes('4'), alias: 'champion' })).toBe(4);
      expect(await aliases()).toEqual([{ alias: 'champion', version: 4 }]);
      expect(await models.modelAliasMoves('default', 'churn', 10)).toHaveLength(2);
    });
  });

  describe('removing', () => {
    test('is refused while an alias stands for it; forced, the alias goes too', async () => {
      await add({ alias: 'champion' });
      expect(await remove(1)).toEqual({ kind: 'in-use', aliases: ['champion'], jobs: [] });
      expect(await remove(1, true)).toEqual({ kind: 'removed' });
      expect(await aliases()).toEqual([]);
      expect(await models.modelAliasMoves('default', 'churn', 1)).toEqual([
        { alias: 'champion', from: 1, to: null, atMs: 9, by: 'ann' },
      ]);
    });

    test('is refused while an unfinished job uses it, and not once that has ended', async () => {
      await add();
      await ledger.submit(submission(using(1, 'champion')));
      expect(await remove(1)).toEqual({ kind: 'in-use', aliases: [], jobs: ['job-1'] });
      await ledger.cancel('default', 'job-1', START);
      expect(await remove(1)).toEqual({ kind: 'removed' });
      expect((await ledger.job('default', 'job-1'))?.model).toEqual({
        name: 'churn',
        version: 1,
        alias: 'champion',
      });
      expect(await models.modelJobs('default', 'churn', 1, 5)).toEqual([
        { jobId: 'job-1', name: 'churn', state: 'cancelled', alias: 'champion', createdMs: START.nowMs },
      ]);
    });

    test('leaves the record, takes it from the list, and the number is never used again', async () => {
      await add();
      await remove(1);
      expect(await remove(1)).toEqual({ kind: 'removed-before' });
      expect(await remove(2)).toEqual({ kind: 'no-version' });
      expect(await models.models('default', { after: null, limit: 9 })).toEqual([]);
      expect(await models.modelChoices('default', 'churn')).toEqual({ aliases: [], versions: [] });
      expect(await models.modelVersion('default', 'churn', 1)).toMatchObject({
        removed: { atMs: 9, by: 'ann' },
      });
      expect(await add()).toBe(2);
    });

    test('a job that comes too late is refused, and nothing of it is stored', async () => {
      await add();
      await remove(1);
      await expect(ledger.submit(submission(using(1)))).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' });
      expect(await ledger.job('default', 'job-1')).toBeNull();
    });

    test('bytes are given up only when no version and no unfinished job has them', async () => {
      await add();
      await add({ description: 'the same bytes' });
      await remove(1);
      expect(await models.unusedModelBytes()).toEqual([]);
      await ledger.submit(submission(using(2)));
      await remove(2, true);
      expect(await models.unusedModelBytes()).toEqual([]);
      await ledger.cancel('default', 'job-1', START);
      const unused = { tenant: 'default', folder: '1' };
      expect(await models.unusedModelBytes()).toEqual([unused]);
      await models.modelBytesGone(unused, 10);
      expect(await models.unusedModelBytes()).toEqual([]);

      expect(await add()).toBe(3);
      await models.modelBytesGone(unused, 11);
      await remove(3);
      expect(await models.unusedModelBytes()).toEqual([unused]);
    });

    test("another tenant's version of the same bytes keeps nothing alive", async () => {
      await add();
      await add({ tenant: 'other' });
      await remove(1);
      expect(await models.unusedModelBytes()).toEqual([{ tenant: 'default', folder: '1' }]);
    });
  });

  test('an unfinished job never goes on with another version, even one of the same bytes', async () => {
    await add();
    await add({ description: 'the same bytes, used otherwise' });
    await runningJob(ledger, [10], using(1, 'champion'));
    await expect(
      ledger.submit(submission({ jobId: 'job-2', ...using(2, 'champion') })),
    ).rejects.toMatchObject({
      code: 'MODEL_CHANGED',
      message: expect.stringMatching(/churn@1.*churn@2/),
    });
    const resumed = await ledger.submit(submission({ jobId: 'job-2', ...using(1, 'challenger') }));
    expect(resumed).toMatchObject({ kind: 'resumed', job: { jobId: 'job-1', model: { alias: 'champion' } } });
  });

  test('models are listed by name, page by page', async () => {
    const names = ['B', 'a', 'a.b', 'a-b', 'c', 'z_1'];
    for (const name of names) await add({ name });
    const listed: string[] = [];
    for (let after: string | null = null; ; ) {
      const page: string[] = (await models.models('default', { after, limit: 2 })).map(({ name }) => name);
      listed.push(...page);
      after = page.at(-1) ?? null;
      if (after === null) break;
    }
    expect(listed).toEqual(names.toSorted());
  });

  const operation = fc.oneof(
    fc.record({ kind: fc.constant('add' as const), bytes: fc.constantFrom('1', '2', '3') }),
    fc.record({
      kind: fc.constant('move' as const),
      alias: fc.constantFrom('a', 'b'),
      to: fc.option(fc.integer({ min: 1, max: 6 })),
    }),
    fc.record({
      kind: fc.constant('remove' as const),
      version: fc.integer({ min: 1, max: 6 }),
      force: fc.boolean(),
    }),
  );

  test('whatever is done in whatever order: aliases stand for what is there, and the moves tell where', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { maxLength: 25 }), async (operations) => {
        await using opened = await open();
        const { models: own } = opened;
        const at = { tenant: 'default', name: 'churn', by: null, nowMs: 1 };
        for (const each of operations) {
          if (each.kind === 'add') await own.addModelVersion(version({ bytes: bytes(each.bytes) }));
          else if (each.kind === 'move')
            await own.moveModelAlias({ ...at, alias: each.alias, version: each.to });
          else await own.removeModelVersion({ ...at, version: each.version, force: each.force });
        }
        const choices = (await own.modelChoices('default', 'churn')) ?? { aliases: [], versions: [] };
        const all = await own.modelVersions('default', 'churn', { before: null, limit: 100 });
        expect(all.map((model) => model.version)).toEqual(all.map((_, index) => all.length - index));
        const there = all.filter((model) => model.removed === null);
        expect(choices.versions).toEqual(there.map((model) => model.version));
        expect(new Set(there.map((model) => model.bytes.sha256)).size).toBe(there.length);
        for (const { version: stands } of choices.aliases) expect(choices.versions).toContain(stands);

        const replayed = new Map<string, number | null>();
        for (const each of (await own.modelAliasMoves('default', 'churn', 1_000)).toReversed()) {
          expect(replayed.get(each.alias) ?? null).toBe(each.from);
          replayed.set(each.alias, each.to);
        }
        const standing = [...replayed].filter(([, to]) => to !== null).toSorted();
        expect(standing).toEqual(choices.aliases.map((each) => [each.alias, each.version]));
      }),
      { numRuns: 60 },
    );
  });
}

const CONTRACT = { features: ['a', 'b'], key: 'id', outputs: { y: 'p', z: 'q' } };

function bytes(sha256: string): AddVersionInput['bytes'] {
  return { sha256, sizeBytes: 3, companions: [] };
}

function version(overrides: Partial<AddVersionInput> = {}): AddVersionInput {
  return {
    tenant: 'default',
    name: 'churn',
    bytes: bytes('1'),
    signature: {
      inputs: [{ name: 'X', type: 'float32', shape: ['N', 2] }],
      outputs: [{ name: 'y', type: 'float32', shape: [null, 2], labels: ['no', 'yes'] }],
    },
    contract: CONTRACT,
    tags: { team: 'a' },
    description: null,
    createdMs: 5,
    createdBy: 'ann',
    alias: null,
    ...overrides,
  };
}
