import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { StoredFile } from '../core/lease.ts';
import type { JobSpec } from '../spec/job-spec.ts';
import type { PublishRequest, Sink, SinkContext } from './sink.ts';

export interface SinkSubject {
  readonly sink: Sink;
  readonly context: SinkContext;
  /** Stages a file with these numbers, in a column `n` of this type (INTEGER). */
  stage(values: readonly number[], type?: string): Promise<StoredFile>;
  /** Changes one byte of a staged file, and not its size. */
  damage(file: StoredFile): Promise<void>;
  request(
    jobId: string,
    mode: JobSpec['output']['mode'],
    fence: number,
    parts: readonly StoredFile[],
    rejects?: readonly StoredFile[],
  ): PublishRequest;
  /** The numbers that a reader sees, sorted; null: there is no dataset. */
  visible(): Promise<number[] | null>;
  /** Puts something at the destination that no sink of ours wrote. */
  putForeign(): Promise<void>;
  /** True: nothing is left beside the destination. */
  isClean(): Promise<boolean>;
  close(): Promise<void>;
}

/** The contract of `Sink`; an adapter is done when it passes. */
export function describeSink(name: string, open: () => Promise<SinkSubject>): void {
  describe(`sink contract: ${name}`, () => {
    let subject: SinkSubject;
    beforeEach(async () => {
      subject = await open();
    });
    afterEach(() => subject.close());

    const request = async (
      jobId: string,
      mode: JobSpec['output']['mode'],
      ...parts: (readonly number[])[]
    ) => {
      const staged: StoredFile[] = [];
      for (const values of parts) staged.push(await subject.stage(values));
      return subject.request(jobId, mode, 1, staged);
    };
    const publish = (asked: PublishRequest) => subject.sink.publish(asked, subject.context);
    const put = async (...args: Parameters<typeof request>) => publish(await request(...args));

    test('all parts become visible, the rejects do not, and the manifest names every file', async () => {
      const parts = [await subject.stage([1, 2]), await subject.stage([3])];
      const rejects = [await subject.stage([99])];
      const asked = subject.request('job-1', 'error', 1, parts, rejects);
      let named: readonly { path: string; key: string }[] = [];
      expect(await subject.sink.probe(asked)).toBe('absent');
      const manifest: PublishRequest['manifest'] = (files) => {
        named = files;
        return asked.manifest(files);
      };
      await publish({ ...asked, manifest });
      expect(await subject.visible()).toEqual([1, 2, 3]);
      expect(named.map(({ key }) => key)).toEqual([...parts, ...rejects].map(({ key }) => key));
      expect(new Set(named.map(({ path }) => path)).size).toBe(3);
      expect(await subject.sink.probe(asked)).toBe('published');
    });

    test.each(['error', 'overwrite', 'append'] as const)(
      'publishing again (%s) changes nothing and answers the same',
      async (mode) => {
        await put('job-0', 'overwrite', [7]);
        if (mode === 'error') await subject.sink.discard(await request('job-0', 'overwrite', [7]));
        const asked = await request('job-1', mode === 'error' ? 'overwrite' : mode, [1], [2]);
        const first = await publish(asked);
        const seen = await subject.visible();
        expect(await publish({ ...asked, fence: 2 })).toEqual(first);
        expect(await publish(asked)).toEqual(first);
        expect(await subject.visible()).toEqual(seen);
      },
    );

    test('a result without scored rows is a dataset without rows', async () => {
      await put('job-1', 'error', []);
      expect(await subject.visible()).toEqual([]);
    });

    test('mode error refuses a destination with content, early and late, and leaves it alone', async () => {
      await put('job-1', 'error', [1]);
      const second = await request('job-2', 'error', [2]);
      await expect(subject.sink.check(second)).rejects.toMatchObject({ code: 'DESTINATION_EXISTS' });
      await expect(publish(second)).rejects.toMatchObject({ code: 'DESTINATION_EXISTS' });
      expect(await subject.visible()).toEqual([1]);
      expect(await subject.sink.probe(second)).toBe('absent');
    });

    test('overwrite replaces all that was there', async () => {
      await put('job-1', 'error', [1], [2]);
      await put('job-2', 'overwrite', [3]);
      expect(await subject.visible()).toEqual([3]);
      await put('job-3', 'overwrite', [4]);
      expect(await subject.visible()).toEqual([4]);
    });

    test('append adds to what is there, or begins it', async () => {
      await put('job-1', 'append', [1]);
      await put('job-2', 'append', [2], [3]);
      expect(await subject.visible()).toEqual([1, 2, 3]);
    });

    test('append refuses other columns or types, early and late, naming the column', async () => {
      await put('job-1', 'append', [1]);
      const other = subject.request('job-2', 'append', 1, [await subject.stage([2], 'BIGINT')]);
      const refused = {
        code: 'SCHEMA_MISMATCH',
        message: expect.stringMatching(/"n" \(BIGINT\).*"n" \(INTEGER\)/),
      };
      await expect(publish(other)).rejects.toMatchObject(refused);
      const { sink, context } = subject;
      await expect(sink.checkColumns(other, [{ name: 'n', type: 'BIGINT' }], context)).rejects.toMatchObject(
        refused,
      );
      for (const columns of [
        [],
        [{ name: 'N', type: 'INTEGER' }],
        [
          { name: 'n', type: 'INTEGER' },
          { name: 'm', type: 'DOUBLE' },
        ],
      ]) {
        await expect(sink.checkColumns(other, columns, context)).rejects.toMatchObject({
          code: 'SCHEMA_MISMATCH',
        });
      }
      await sink.checkColumns(other, [{ name: 'n', type: 'INTEGER' }], context);
      expect(await subject.visible()).toEqual([1]);
    });

    test.each(['overwrite', 'append'] as const)(
      '%s refuses what others wrote, unless it is adopted',
      async (mode) => {
        await subject.putForeign();
        const asked = await request('job-1', mode, [1]);
        await expect(subject.sink.check(asked)).rejects.toMatchObject({ code: 'DESTINATION_FOREIGN' });
        await expect(publish(asked)).rejects.toMatchObject({ code: 'DESTINATION_FOREIGN' });
        await subject.sink.check({ ...asked, adopt: true });
        await publish({ ...asked, adopt: true });
        expect(await subject.visible()).toEqual([1]);
      },
    );

    test('a staged file that is not what the ledger says is found, and nothing becomes visible', async () => {
      await put('job-1', 'error', [1]);
      const asked = await request('job-2', 'overwrite', [2], [3]);
      await subject.damage(asked.parts[1] as StoredFile);
      await expect(publish(asked)).rejects.toMatchObject({ code: 'PART_CORRUPT' });
      expect(await subject.visible()).toEqual([1]);
    });

    test('a lost lease stops it before anything becomes visible', async () => {
      const lost = new AbortController();
      const asked = await request('job-1', 'error', [1]);
      const manifest: PublishRequest['manifest'] = (files) => {
        lost.abort(new Error('lost'));
        return asked.manifest(files);
      };
      await expect(
        subject.sink.publish({ ...asked, manifest }, { ...subject.context, signal: lost.signal }),
      ).rejects.toThrow('lost');
      expect(await subject.visible()).toBeNull();
      await publish({ ...asked, fence: 2 });
      expect(await subject.visible()).toEqual([1]);
    });

    test('discard keeps the result and removes everything else, also of a job that never published', async () => {
      await put('job-1', 'error', [1]);
      const second = await request('job-2', 'overwrite', [2]);
      await publish(second);
      const failed = await request('job-3', 'overwrite', [3]);
      await expect(
        publish({ ...failed, manifest: async () => Promise.reject(new Error('no key')) }),
      ).rejects.toThrow('no key');
      await subject.sink.discard(second);
      await subject.sink.discard(failed);
      await subject.sink.discard(failed);
      expect(await subject.visible()).toEqual([2]);
      expect(await subject.isClean()).toBe(true);
    });
  });
}
