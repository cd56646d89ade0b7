import { createHmac, timingSafeEqual } from 'node:crypto';
import { Failure } from '../core/errors.ts';

/** Who a token speaks for. A worker's or task's token is good for one job only; 'admin' for everything of its tenant. */
export interface Identity {
  readonly role: 'admin' | 'worker' | 'task';
  readonly tenant: string;
  readonly jobId: string | null;
  /** Epoch ms after which the token is refused. */
  readonly expiresMs: number;
}

export interface Tokens {
  issue(identity: Identity): string;
  /** Fails with UNAUTHORIZED. */
  verify(token: string, nowMs: number): Identity;
}

/**
 * Tokens that carry what they allow, sealed with HMAC-SHA256 under the manager's secret: nothing is stored, and they
 * outlive a restart of the manager. Form: `bw.<base64url of the identity's JSON>.<base64url of the seal>`.
 */
export function createTokens(secret: Uint8Array): Tokens {
  const seal = (payload: string) => createHmac('sha256', secret).update(payload).digest();
  return {
    issue(identity) {
      const payload = Buffer.from(JSON.stringify(identity)).toString('base64url');
      return `bw.${payload}.${seal(payload).toString('base64url')}`;
    },
    verify(token, nowMs) {
      const [prefix, payload, given, ...rest] = token.split('.');
      const refused = () => new Failure('UNAUTHORIZED', 'The token is missing, wrong or expired.');
      if (prefix !== 'bw' || payload === undefined || given === undefined || rest.length > 0) throw refused();
      const expected = seal(payload);
      const actual = Buffer.from(given, 'base64url');
      if (actual.length !== expected.length || !timingSafeEqual(actual, expected)) throw refused();
      const identity = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Identity;
      if (identity.expiresMs < nowMs) throw refused();
      return identity;
    },
  };
}
