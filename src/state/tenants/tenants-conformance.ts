import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Ledger } from '../ledger/ledger.ts';
import type { AddApiKeyInput, Tenants } from './tenants.ts';

/** What any implementation of the state of tenants has to pass. `open` gives a new, empty state each time. */
export function tenantsConformance(open: () => Promise<Ledger & { readonly tenants: Tenants }>): void {
  let ledger: Ledger;
  let tenants: Tenants;
  beforeEach(async () => {
    const opened = await open();
    ledger = opened;
    tenants = opened.tenants;
  });
  afterEach(() => ledger[Symbol.asyncDispose]());

  const add = (prefix: string, more: Partial<AddApiKeyInput['key']> = {}, onlyFirst = false) =>
    tenants.addApiKey({
      key: {
        prefix,
        tenant: 'a',
        name: 'nightly',
        role: 'submitter',
        sha256: prefix.padEnd(64, '0'),
        createdMs: 1,
        createdBy: 'ann',
        ...more,
      },
      onlyFirst,
    });
  const rotate = (prefix: string, tenant: string | null, next: string, overlapMs = 100) =>
    tenants.rotateApiKey({
      tenant,
      prefix,
      next: { prefix: next, sha256: next.padEnd(64, '0') },
      overlapMs,
      by: 'bob',
      nowMs: 1_000,
    });
  const revoke = (prefix: string, tenant: string | null, nowMs = 5) =>
    tenants.revokeApiKey({ tenant, prefix, by: 'bob', nowMs });

  describe('keys', () => {
    test('a first key is made once, however often it is asked for', async () => {
      expect(await add('k1', {}, true)).toBe(true);
      expect(await add('k2', {}, true)).toBe(false);
      expect(await tenants.apiKey('k2')).toBeNull();
      expect(await add('k3')).toBe(true);
    });

    test('a list is of one tenant, newest first, or of all', async () => {
      await add('k1');
      await add('k2', { createdMs: 2 });
      await add('k3', { tenant: 'b', createdMs: 3 });
      const prefixes = async (tenant: string | null) =>
        (await tenants.apiKeys(tenant)).map(({ prefix }) => prefix);
      expect(await prefixes('a')).toEqual(['k2', 'k1']);
      expect(await prefixes(null)).toEqual(['k3', 'k2', 'k1']);
    });

    test('another tenant can neither revoke nor rotate a key, nor learn that it is there', async () => {
      await add('k1');
      expect(await revoke('k1', 'b')).toBeNull();
      expect(await rotate('k1', 'b', 'k2')).toBeNull();
      expect(await tenants.apiKey('k1')).toMatchObject({ revokedMs: null, expiresMs: null });
      expect(await revoke('k1', null)).toMatchObject({ revokedMs: 5, revokedBy: 'bob' });
    });

    test('revoking again keeps who did it first', async () => {
      await add('k1');
      await revoke('k1', 'a');
      expect(await tenants.revokeApiKey({ tenant: 'a', prefix: 'k1', by: 'eve', nowMs: 9 })).toMatchObject({
        revokedMs: 5,
        revokedBy: 'bob',
      });
    });

    test('a rotated key has the rights of the old one, which runs out', async () => {
      await add('k1');
      expect(await rotate('k1', 'a', 'k2')).toMatchObject({
        prefix: 'k2',
        tenant: 'a',
        role: 'submitter',
        name: 'nightly',
        expiresMs: null,
        createdBy: 'bob',
      });
      expect(await tenants.apiKey('k1')).toMatchObject({ expiresMs: 1_100, replacedBy: 'k2' });
    });

    test('a revoked or expired key cannot be made a living one by rotating it', async () => {
      await add('k1');
      await revoke('k1', 'a');
      expect(await rotate('k1', 'a', 'k2')).toBeNull();
      await add('k3');
      await rotate('k3', 'a', 'k4', -1);
      expect(await rotate('k3', 'a', 'k5')).toBeNull();
      expect(await tenants.apiKey('k5')).toBeNull();
    });

    test('rotating twice never prolongs the first key', async () => {
      await add('k1');
      await rotate('k1', 'a', 'k2', 10);
      await rotate('k1', 'a', 'k3', 1_000_000);
      expect(await tenants.apiKey('k1')).toMatchObject({ expiresMs: 1_010 });
    });
  });

  describe('the audit log', () => {
    test('is of one tenant, newest first, page by page', async () => {
      for (const [at, tenant] of ['a', 'b', 'a', 'a'].entries()) {
        await tenants.recordAudit({
          atMs: at,
          tenant,
          actor: 'k1 nightly',
          action: 'submitJob',
          target: `job-${at}`,
          status: at === 3 ? 403 : 201,
          code: at === 3 ? 'FORBIDDEN' : null,
        });
      }
      const first = await tenants.audit('a', { beforeSeq: null, limit: 2 });
      expect(first.map(({ target, code }) => [target, code])).toEqual([
        ['job-3', 'FORBIDDEN'],
        ['job-2', null],
      ]);
      const rest = await tenants.audit('a', { beforeSeq: first.at(-1)?.seq ?? 0, limit: 2 });
      expect(rest.map(({ target }) => target)).toEqual(['job-0']);
    });
  });
}
