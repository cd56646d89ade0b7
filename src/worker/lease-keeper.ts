import { Worker } from 'node:worker_threads';
import type { Lease, LeaseRef, Progress } from '../core/lease.ts';

/**
 * The lease keeper: a thread beside the scoring thread, because a model call blocks the scoring thread for as long as it
 * takes. The thread renews the leases, hears `lost` and `until`, and kills the whole process when a lease cannot be kept
 * (the manager was silent for a lease time), when a model call passes its deadline, or when the parent is gone.
 *
 * What the threads share is one block of numbers (`SharedState`), written by the scoring thread, read by the keeper.
 */
export interface LeaseKeeper {
  hold(lease: Lease): HeldLease;
  close(): Promise<void>;
}

export interface HeldLease {
  readonly lease: Lease;
  /** Aborted when the lease is lost: nothing of it will be accepted. */
  readonly lost: AbortSignal;
  /** Row to stop at, when the manager asked for the rest. */
  until(): number | null;
  progress(progress: Progress): void;
  enterModel(rows: { start: number; end: number }): void;
  leaveModel(): void;
  /** The lease was completed, or is given up: the keeper forgets it. */
  drop(): void;
}

export interface KeeperSettings {
  readonly managerUrl: string;
  readonly token: string;
  readonly leaseMs: number;
  readonly batchTimeoutMs: number;
  /** End with the process that holds the other end of standard input. */
  readonly endWithParent: boolean;
}

export interface KeeperData extends KeeperSettings {
  readonly state: SharedArrayBuffer;
}

/** Slots of the shared block, 8 bytes each. */
export const SHARED = {
  inModel: 0,
  modelSince: 1,
  start: 2,
  end: 3,
  shardId: 4,
  rows: 5,
  rejected: 6,
} as const;
export const SHARED_SLOTS = 8;

export type ToKeeper =
  | { readonly type: 'hold'; readonly lease: LeaseRef }
  | { readonly type: 'drop'; readonly lease: LeaseRef }
  | { readonly type: 'close' };

export type FromKeeper =
  | { readonly type: 'ready' }
  | { readonly type: 'lost'; readonly lease: LeaseRef }
  | { readonly type: 'until'; readonly lease: LeaseRef; readonly row: number };

export function leaseName(lease: LeaseRef): string {
  return `${lease.shardId}/${lease.attempt}`;
}

export async function startLeaseKeeper(
  settings: KeeperSettings,
  monotonicMs: () => number,
): Promise<LeaseKeeper> {
  const state = new SharedArrayBuffer(SHARED_SLOTS * 8);
  const shared = new Float64Array(state);
  const entry = import.meta.url.endsWith('.ts') ? './keeper-thread.ts' : './keeper-thread.js';
  const workerData: KeeperData = { ...settings, state };
  const thread = new Worker(new URL(entry, import.meta.url), { workerData });
  const held = new Map<string, { abort: AbortController; until: number | null }>();

  await new Promise<void>((resolve, reject) => {
    thread.once('error', reject);
    thread.on('message', (message: FromKeeper) => {
      if (message.type === 'ready') return resolve();
      const entry = held.get(leaseName(message.lease));
      if (entry === undefined) return;
      if (message.type === 'lost') entry.abort.abort();
      else entry.until = message.row;
    });
  });
  // A keeper that dies leaves leases that nobody renews: the process must not go on.
  thread.on('error', (error) => {
    throw error;
  });

  return {
    hold(lease) {
      const { tenant, jobId, shardId, attempt } = lease;
      const ref: LeaseRef = { tenant, jobId, shardId, attempt };
      const entry = { abort: new AbortController(), until: null as number | null };
      held.set(leaseName(ref), entry);
      shared[SHARED.shardId] = shardId;
      shared[SHARED.rows] = 0;
      shared[SHARED.rejected] = 0;
      thread.postMessage({ type: 'hold', lease: ref } satisfies ToKeeper);
      return {
        lease,
        lost: entry.abort.signal,
        until: () => entry.until,
        progress(progress) {
          shared[SHARED.rows] = progress.rows;
          shared[SHARED.rejected] = progress.rejected;
        },
        enterModel(rows) {
          shared[SHARED.start] = rows.start;
          shared[SHARED.end] = rows.end;
          shared[SHARED.modelSince] = monotonicMs();
          shared[SHARED.inModel] = 1;
        },
        leaveModel() {
          shared[SHARED.inModel] = 0;
        },
        drop() {
          held.delete(leaseName(ref));
          thread.postMessage({ type: 'drop', lease: ref } satisfies ToKeeper);
        },
      };
    },
    async close() {
      thread.postMessage({ type: 'close' } satisfies ToKeeper);
      await new Promise<void>((resolve) => thread.once('exit', () => resolve()));
    },
  };
}
