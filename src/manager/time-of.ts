import type { Clock } from '../core/ports.ts';
import type { Time } from '../state/ledger/ledger.ts';

/** Now, as the ledger wants it. */
export function timeOf(clock: Clock): Time {
  return { nowMs: clock.nowMs(), tickMs: clock.monotonicMs() };
}
