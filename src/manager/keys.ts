import { createHash, timingSafeEqual } from 'node:crypto';
import { type ApiRole, TENANT_NAME } from '../core/api-role.ts';
import { Failure } from '../core/errors.ts';
import type { AuditPage, KeyList, KeyView, NewKey } from '../core/key-wire.ts';
import type { Clock, Random } from '../core/ports.ts';
import type { ApiKeyRow, AuditEntry, Tenants } from '../state/tenants/tenants.ts';

/** Who asks, and what they may do. */
export interface Caller {
  readonly tenant: string;
  readonly role: ApiRole;
  /** For the audit log: prefix and name of the key, or `local` for whoever may read the state folder. */
  readonly actor: string;
  /** Whether paths are confined to the tenant's folders. */
  readonly fenced: boolean;
}

/** API keys `bw_<prefix>_<256 bits, base64url>`, of which only the SHA-256 is stored, and the audit log. */
export interface KeyService {
  /** Null: the key is unknown, wrong, revoked or expired. It does not take longer for one than for the other. */
  authenticate(key: string): Promise<Caller | null>;
  /** Fails with REQUEST_INVALID for a name that cannot be one of a tenant. */
  create(request: {
    readonly tenant: string;
    readonly name: string;
    readonly role: ApiRole;
    readonly by: string;
  }): Promise<NewKey>;
  /** The first admin key of a server; null: there are keys already. */
  createFirst(tenant: string): Promise<NewKey | null>;
  /** Null: of all tenants. */
  list(tenant: string | null): Promise<KeyList>;
  /** A new key in place of one, which is good for `overlapHours` more. Fails with API_KEY_UNKNOWN. */
  rotate(request: {
    readonly tenant: string | null;
    readonly prefix: string;
    readonly overlapHours: number;
    readonly by: string;
  }): Promise<NewKey>;
  /** At once. Fails with API_KEY_UNKNOWN. */
  revoke(request: {
    readonly tenant: string | null;
    readonly prefix: string;
    readonly by: string;
  }): Promise<KeyView>;
  record(entry: Omit<AuditEntry, 'atMs'>): Promise<void>;
  audit(tenant: string, page: { readonly before: number | null; readonly limit: number }): Promise<AuditPage>;
}

const FORM = /^bw_([a-z2-7]{10})_([A-Za-z0-9_-]{43})$/;

export function createKeyService({
  tenants,
  clock,
  random,
}: {
  readonly tenants: Tenants;
  readonly clock: Clock;
  readonly random: Random;
}): KeyService {
  const draw = () => {
    const prefix = [...random.bytes(10)].map((byte) => LETTERS[byte % LETTERS.length]).join('');
    const key = `bw_${prefix}_${Buffer.from(random.bytes(32)).toString('base64url')}`;
    return { key, prefix, sha256: digestOf(key).toString('hex') };
  };
  const store = async (
    of: Pick<ApiKeyRow, 'tenant' | 'name' | 'role'>,
    by: string,
    onlyFirst: boolean,
  ): Promise<NewKey | null> => {
    const { key, prefix, sha256 } = draw();
    const row = { ...of, prefix, sha256, createdMs: clock.nowMs(), createdBy: by };
    if (!(await tenants.addApiKey({ key: row, onlyFirst }))) return null;
    return { key, ...viewOf({ ...row, ...FRESH }) };
  };

  return {
    async authenticate(text) {
      const [, prefix] = FORM.exec(text) ?? [];
      const row = prefix === undefined ? null : await tenants.apiKey(prefix);
      const expected = row === null ? NO_DIGEST : Buffer.from(row.sha256, 'hex');
      const fits = timingSafeEqual(digestOf(text), expected);
      if (row === null || !fits || row.revokedMs !== null) return null;
      if (row.expiresMs !== null && row.expiresMs <= clock.nowMs()) return null;
      return { tenant: row.tenant, role: row.role, actor: `${row.prefix} ${row.name}`, fenced: true };
    },

    async create({ tenant, name, role, by }) {
      if (!TENANT_NAME.test(tenant)) {
        throw new Failure('REQUEST_INVALID', `${JSON.stringify(tenant.slice(0, 80))} cannot name a tenant.`, {
          place: { field: 'tenant' },
          next: 'Use up to 63 small letters, digits, - and _, beginning with a letter or a digit.',
        });
      }
      const made = await store({ tenant, name, role }, by, false);
      if (made === null) throw new Error('a key that need not be the first is always stored');
      return made;
    },

    createFirst: (tenant) => store({ tenant, name: 'first', role: 'admin' }, 'batchwright serve', true),

    list: async (tenant) => ({ keys: (await tenants.apiKeys(tenant)).map(viewOf) }),

    async rotate({ tenant, prefix, overlapHours, by }) {
      const { key, ...next } = draw();
      const row = await tenants.rotateApiKey({
        tenant,
        prefix,
        next,
        overlapMs: overlapHours * 3_600_000,
        by,
        nowMs: clock.nowMs(),
      });
      if (row === null) throw unknownKey(prefix, 'that is good');
      return { key, ...viewOf(row) };
    },

    async revoke({ tenant, prefix, by }) {
      const row = await tenants.revokeApiKey({ tenant, prefix, by, nowMs: clock.nowMs() });
      if (row === null) throw unknownKey(prefix, 'of this tenant');
      return viewOf(row);
    },

    record: (entry) => tenants.recordAudit({ ...entry, atMs: clock.nowMs() }),

    async audit(tenant, { before, limit }) {
      const page = await tenants.audit(tenant, { beforeSeq: before, limit: limit + 1 });
      const shown = page.slice(0, limit);
      return {
        entries: shown.map(({ seq, atMs, actor, action, target, status, code }) => ({
          seq,
          at: iso(atMs),
          actor,
          action,
          target,
          status,
          code,
        })),
        next_before: page.length > limit ? (shown.at(-1)?.seq ?? null) : null,
      };
    },
  };
}

/** Base 32, without what people confuse. */
const LETTERS = 'abcdefghijklmnopqrstuvwxyz234567';
const NO_DIGEST = Buffer.alloc(32);
const FRESH = { expiresMs: null, revokedMs: null, revokedBy: null, replacedBy: null };

function digestOf(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}

function viewOf({ sha256: _, createdMs, expiresMs, revokedMs, ...row }: ApiKeyRow): KeyView {
  return {
    prefix: row.prefix,
    tenant: row.tenant,
    name: row.name,
    role: row.role,
    created_at: iso(createdMs),
    created_by: row.createdBy,
    expires_at: expiresMs === null ? null : iso(expiresMs),
    revoked_at: revokedMs === null ? null : iso(revokedMs),
    revoked_by: row.revokedBy,
    replaced_by: row.replacedBy,
  };
}

function unknownKey(prefix: string, which: string): Failure {
  return new Failure('API_KEY_UNKNOWN', `There is no key ${prefix.slice(0, 80)} ${which}.`, {
    place: { field: 'prefix' },
  });
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
