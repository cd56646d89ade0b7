import { Failure } from '../core/errors.ts';
import type { Clock } from '../core/ports.ts';

/** Takes one request of a tenant; fails with RATE_LIMITED when it has had too many. */
export type RateLimit = (tenant: string) => void;

/** A bucket for each tenant, filled evenly, that holds what a minute allows: short bursts pass. */
export function createRateLimit(perMinute: number, clock: Pick<Clock, 'monotonicMs'>): RateLimit {
  const buckets = new Map<string, { left: number; atMs: number }>();
  return (tenant) => {
    const nowMs = clock.monotonicMs();
    const bucket = buckets.get(tenant) ?? { left: perMinute, atMs: nowMs };
    bucket.left = Math.min(perMinute, bucket.left + ((nowMs - bucket.atMs) * perMinute) / 60_000);
    bucket.atMs = nowMs;
    buckets.set(tenant, bucket);
    if (bucket.left < 1) {
      throw new Failure('RATE_LIMITED', `Tenant ${tenant} may send ${perMinute} requests a minute.`);
    }
    bucket.left -= 1;
  };
}
