import { createHash } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { SealedObject, Storage } from './storage.ts';

export interface StorageSubject {
  readonly storage: Storage;
  /** Another storage over the same bytes, as a second process has it. */
  readonly again: Storage;
  close(): Promise<void>;
}

/** The contract of `Storage`; an adapter is done when it passes. */
export function describeStorage(name: string, open: () => Promise<StorageSubject>): void {
  describe(`storage contract: ${name}`, () => {
    let subject: StorageSubject;
    let storage: Storage;
    beforeEach(async () => {
      subject = await open();
      ({ storage } = subject);
    });
    afterEach(() => subject.close());

    const put = async (key: string, text: string, into = storage): Promise<SealedObject> => {
      const staged = await into.stage(key);
      await writeFile(staged.path, text);
      return staged.seal();
    };
    const text = async (key: string) => Buffer.from(await subject.again.read(key)).toString();
    const listed = async (prefix: string): Promise<string[]> => {
      const keys: string[] = [];
      for await (const key of storage.list(prefix)) keys.push(key);
      return keys;
    };

    test('a sealed object is there with its bytes, size and digest, for other processes too', async () => {
      const sealed = await put('a/b/part.bin', 'hello');
      expect(sealed).toEqual({ sizeBytes: 5, sha256: createHash('sha256').update('hello').digest('hex') });
      expect(await text('a/b/part.bin')).toBe('hello');
      expect(await subject.again.stat('a/b/part.bin')).toMatchObject({ sizeBytes: 5 });
      expect(await readFile(await storage.localPath('a/b/part.bin'), 'utf8')).toBe('hello');
    });

    test('nothing is visible before seal, nor after discard', async () => {
      const staged = await storage.stage('a/part');
      await writeFile(staged.path, 'half');
      expect(await storage.stat('a/part')).toBeNull();
      expect(await listed('')).toEqual([]);
      await staged.discard();
      await expect(readFile(staged.path)).rejects.toThrow('ENOENT');
      expect(await listed('')).toEqual([]);
    });

    test('an object is never replaced: the same content is accepted, another is refused', async () => {
      const first = await put('part', 'same');
      expect(await put('part', 'same', subject.again)).toEqual(first);
      await expect(put('part', 'else', subject.again)).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
      expect(await text('part')).toBe('same');
      expect(await listed('')).toEqual(['part']);
    });

    test('of two that seal one key at once with different content exactly one wins, whole', async () => {
      const outcomes = await Promise.allSettled([
        put('race', 'a'.repeat(100_000)),
        put('race', 'b'.repeat(100_000), subject.again),
      ]);
      expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
      expect(new Set(await text('race')).size).toBe(1);
    });

    test('sealing twice gives the same answer', async () => {
      const staged = await storage.stage('twice');
      await writeFile(staged.path, 'x');
      expect(await staged.seal()).toEqual(await staged.seal());
    });

    test('a staged object that was never written cannot be sealed, then or later', async () => {
      const staged = await storage.stage('never');
      await expect(staged.seal()).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
      await writeFile(staged.path, 'too late');
      await expect(staged.seal()).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
      expect(await storage.stat('never')).toBeNull();
    });

    test('keys are listed in byte order, below whole segments only', async () => {
      const keys = ['a/b/2', 'a/b/10', 'a/b.x', 'a/bc/1', 'a/é', 'a/Z', 'b'];
      for (const key of keys) await put(key, key);
      expect(await listed('a')).toEqual(['a/Z', 'a/b.x', 'a/b/10', 'a/b/2', 'a/bc/1', 'a/é']);
      expect(await listed('a/b')).toEqual(['a/b/10', 'a/b/2']);
      expect(await listed('nothing')).toEqual([]);
    });

    test('removing takes an object or all below a prefix, and is content when there is nothing', async () => {
      for (const key of ['j/1', 'j/2/x', 'k']) await put(key, key);
      await storage.remove('j');
      await storage.remove('j');
      expect(await listed('')).toEqual(['k']);
      await storage.remove('k');
      expect(await listed('')).toEqual([]);
      await put('j/1', 'anew');
      expect(await text('j/1')).toBe('anew');
    });

    test('what is not there: null for stat, SOURCE_NOT_FOUND for read', async () => {
      expect(await storage.stat('no/such')).toBeNull();
      await expect(storage.read('no/such')).rejects.toMatchObject({ code: 'SOURCE_NOT_FOUND' });
    });

    test.each(['/etc/passwd', '../x', 'a/../../x', 'a/./b', 'a//b', 'a/', 'a\0b', '..'])(
      'the key %j is refused by every verb',
      async (key) => {
        for (const verb of [
          () => storage.stat(key),
          () => storage.read(key),
          () => storage.localPath(key),
          () => storage.stage(key),
          () => storage.remove(key),
          () => listed(key),
        ]) {
          await expect(verb()).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
        }
      },
    );

    test('a path and its key lead to each other; a path outside has no key', async () => {
      await put('a/b', 'x');
      const path = await storage.localPath('a/b');
      expect(storage.keyOf(path)).toBe('a/b');
      expect(() => storage.keyOf(`${path}/../../../outside`)).toThrow(/outside the storage/);
      await rm(path);
      expect(await storage.stat('a/b')).toBeNull();
    });
  });
}
