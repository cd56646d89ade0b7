import type { ApiRole } from '../core/api-role.ts';
import type { KeyList, KeyView, NewKey } from '../core/key-wire.ts';
import { createTransport, type TransportOptions } from './transport.ts';

/** The client of the routes about API keys. */
export interface KeyClient {
  create(key: { readonly name: string; readonly role: ApiRole; readonly tenant?: string }): Promise<NewKey>;
  list(): Promise<KeyList>;
  rotate(prefix: string, overlapHours: number): Promise<NewKey>;
  revoke(prefix: string): Promise<KeyView>;
}

export function createKeyClient(options: TransportOptions): KeyClient {
  const call = createTransport(options);
  const base = '/api/v1/keys';
  const of = (prefix: string) => `${base}/${encodeURIComponent(prefix)}`;
  return {
    create: (key) => call('POST', base, key),
    list: () => call('GET', base),
    rotate: (prefix, overlapHours) => call('POST', `${of(prefix)}/rotate`, { overlap_hours: overlapHours }),
    revoke: (prefix) => call('POST', `${of(prefix)}/revoke`, {}),
  };
}
