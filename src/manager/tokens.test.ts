import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createTokens, type Identity } from './tokens.ts';

const tokens = createTokens(Buffer.alloc(32, 7));
const identity: Identity = { role: 'worker', tenant: 'a', jobId: 'job-1', expiresMs: 1_000 };

test('a token says who it was made for, until it expires', () => {
  const token = tokens.issue(identity);
  expect(tokens.verify(token, 1_000)).toEqual(identity);
  expect(() => tokens.verify(token, 1_001)).toThrow(/expired/);
});

test('no single changed character of a token is accepted', () => {
  const token = tokens.issue(identity);
  fc.assert(
    fc.property(fc.nat({ max: token.length - 1 }), fc.constantFrom(...'abcXYZ019-_.'), (at, character) => {
      const changed = token.slice(0, at) + character + token.slice(at + 1);
      if (changed === token) return;
      let role: string | null = null;
      try {
        role = JSON.stringify(tokens.verify(changed, 0));
      } catch {
        return;
      }
      // The last character of a base64url text carries unused bits: another spelling of the same seal.
      expect(role).toBe(JSON.stringify(identity));
      expect(at).toBe(token.length - 1);
    }),
  );
});

test('a token of another manager, and texts that are no token, are refused', () => {
  const other = createTokens(Buffer.alloc(32, 8)).issue(identity);
  for (const text of [other, '', 'bw', 'bw..', 'bw.e30.', 'bearer x', `${tokens.issue(identity)}.x`]) {
    expect(() => tokens.verify(text, 0)).toThrow(/missing, wrong or expired/);
  }
});
