/**
 * The ports through which the product meets time and chance. They are passed in, never reached for, so that manager,
 * ledger and worker run whole inside a seeded simulation. The system implementations are made in `cli/`.
 */

export interface Clock {
  /** Wall clock, epoch milliseconds. For people and logs only: it may jump. */
  nowMs(): number;
  /** Milliseconds since an arbitrary start; never goes back. Leases and deadlines are reckoned in it. */
  monotonicMs(): number;
  /** Resolves after `ms`, or at once when `signal` aborts (it never rejects). */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export interface Random {
  /** `n` unpredictable bytes. */
  bytes(n: number): Uint8Array;
  /** A number in [0, 1). */
  float(): number;
}
