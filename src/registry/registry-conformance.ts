import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Storage } from '../storage/storage.ts';
import type { Registry } from './registry.ts';

/** What a registry brings to be tested: one model with external data `weights/w.bin`, known by `reference`. */
export interface RegistrySubject {
  readonly registry: Registry;
  readonly tenant: string;
  readonly reference: string;
  /** A reference to what is not there. */
  readonly unknown: string;
  readonly storage: Storage;
  /** Storage key below which models are kept. */
  readonly store: string;
  /** The model's bytes as they were put in. */
  readonly graph: Uint8Array;
  readonly weights: Uint8Array;
  /** Changes one byte where the registry keeps what the reference means. */
  damage(what: 'graph' | 'weights'): Promise<void>;
  close(): Promise<void>;
}

/** The contract of `Registry`; an adapter is done when it passes. */
export function describeRegistry(name: string, open: () => Promise<RegistrySubject>): void {
  describe(`registry contract: ${name}`, () => {
    let subject: RegistrySubject;
    beforeEach(async () => {
      subject = await open();
    });
    afterEach(() => subject.close());

    const resolve = () => subject.registry.resolve(subject.tenant, subject.reference);
    const fetch = async () => subject.registry.fetch(await resolve(), subject.store, subject.storage);

    test('a reference is resolved to the digest of the main file, as often as one asks', async () => {
      const resolved = await resolve();
      expect(resolved).toMatchObject({ reference: subject.reference, sha256: digest(subject.graph) });
      expect(await resolve()).toEqual(resolved);
    });

    test('what is not there is MODEL_NOT_FOUND, naming it', async () => {
      await expect(subject.registry.resolve(subject.tenant, subject.unknown)).rejects.toMatchObject({
        code: 'MODEL_NOT_FOUND',
        message: expect.stringContaining(subject.unknown),
      });
    });

    test('what was fetched lies in the storage, external data beside it under its name', async () => {
      const pinned = await fetch();
      expect(pinned).toMatchObject({
        reference: subject.reference,
        sha256: digest(subject.graph),
        companions: [
          {
            name: 'weights/w.bin',
            sizeBytes: subject.weights.byteLength,
            sha256: digest(subject.weights),
          },
        ],
      });
      expect(pinned.key.startsWith(`${subject.store}/`)).toBe(true);
      const path = await subject.storage.localPath(pinned.key);
      expect(digest(await readFile(path))).toBe(digest(subject.graph));
      expect(digest(await readFile(join(dirname(path), 'weights/w.bin')))).toBe(digest(subject.weights));
    });

    test('fetching again gives the same, and what is pinned is unchanged', async () => {
      const pinned = await fetch();
      expect(await fetch()).toEqual(pinned);
      await subject.registry.checkUnchanged(pinned);
    });

    test.each(['graph', 'weights'] as const)('a pinned model whose %s changed is found out', async (what) => {
      const pinned = await fetch();
      await subject.damage(what);
      await expect(subject.registry.checkUnchanged(pinned)).rejects.toMatchObject({
        code: expect.stringMatching(/^MODEL_(CHANGED|CORRUPT)$/),
      });
    });

    test('other bytes than those that were resolved are never fetched', async () => {
      const resolved = await resolve();
      await subject.damage('graph');
      await expect(subject.registry.fetch(resolved, subject.store, subject.storage)).rejects.toMatchObject({
        code: expect.stringMatching(/^MODEL_(CHANGED|CORRUPT|INVALID)$/),
      });
    });
  });
}

function digest(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
