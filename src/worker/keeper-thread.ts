/**
 * Entry of the lease keeper's thread: it has a clock, timers, a network and a process of its own to end.
 * See `lease-keeper.ts` for what it is for.
 */
import { Socket } from 'node:net';
import { parentPort, workerData } from 'node:worker_threads';
import { createWorkerLink } from '../client/worker-link.ts';
import type { LeaseRef } from '../core/lease.ts';
import { type FromKeeper, type KeeperData, leaseName, SHARED, type ToKeeper } from './lease-keeper.ts';

const data = workerData as KeeperData;
const shared = new Float64Array(data.state);
const port = parentPort;
if (port === null) throw new Error('the lease keeper runs as a thread only');

const link = createWorkerLink({
  managerUrl: data.managerUrl,
  token: data.token,
  fetch: globalThis.fetch,
  sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  // A renewal that takes longer than this is worth less than the next one.
  timeoutMs: Math.max(1_000, data.leaseMs / 3),
  attempts: 1,
});

interface Kept {
  readonly ref: LeaseRef;
  /** Monotonic time of the last renewal that the manager confirmed, taken before it was sent. */
  confirmedMs: number;
  renewing: boolean;
}
const kept = new Map<string, Kept>();

/** Process-wide, unlike `performance.now()`, whose origin differs between threads. */
function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

function end(): void {
  process.kill(process.pid, 'SIGKILL');
}

async function renew(lease: Kept): Promise<void> {
  if (lease.renewing) return;
  lease.renewing = true;
  const sentMs = monotonicMs();
  const current = shared[SHARED.shardId] === lease.ref.shardId;
  try {
    const answer = await link.renew(lease.ref, {
      rows: current ? (shared[SHARED.rows] as number) : 0,
      rejected: current ? (shared[SHARED.rejected] as number) : 0,
    });
    lease.confirmedMs = sentMs;
    if (answer === 'lost') say({ type: 'lost', lease: lease.ref });
    else if (answer !== 'held') say({ type: 'until', lease: lease.ref, row: answer.until });
    if (answer === 'lost') kept.delete(leaseName(lease.ref));
  } catch {
    // The manager did not answer; `confirmedMs` grows old, and the check below ends the process in time.
  } finally {
    lease.renewing = false;
  }
}

/** The model does not come back from these rows: says so, while it still can, and ends the process. */
async function giveUpBatch(): Promise<void> {
  const lease = [...kept.values()].find(({ ref }) => ref.shardId === shared[SHARED.shardId]);
  const start = shared[SHARED.start] as number;
  const until = shared[SHARED.end] as number;
  if (lease !== undefined) {
    const seconds = data.batchTimeoutMs / 1_000;
    const failure = {
      report: {
        code: 'MODEL_TIMEOUT' as const,
        message: `The model did not finish rows ${start} to ${until - 1} in ${seconds} s.`,
        next: 'Raise config.batch_timeout_seconds or lower config.batch_size.',
        place: {},
      },
      suspect: { start, end: until },
      permanent: false,
    };
    await link.fail(lease.ref, failure).catch(() => {});
  }
  end();
}

let givingUp = false;
let watchedMs = monotonicMs();
/** How long this process was stopped (Ctrl-Z, a suspended machine) while the batch in hand was in the model. */
let stopped = { modelSince: 0, ms: 0 };

function watch(): void {
  const now = monotonicMs();
  const since = shared[SHARED.modelSince] as number;
  if (stopped.modelSince !== since) stopped = { modelSince: since, ms: 0 };
  const gapMs = now - watchedMs;
  watchedMs = now;
  if (gapMs > data.leaseMs / 2) {
    // Neither the manager's silence nor the model's time. Leases are asked after at once: the rows may be somebody else's by now.
    stopped.ms += gapMs;
    for (const lease of kept.values()) {
      lease.confirmedMs += gapMs;
      void renew(lease);
    }
  }
  if (shared[SHARED.inModel] === 1 && now - since - stopped.ms > data.batchTimeoutMs && !givingUp) {
    givingUp = true;
    void giveUpBatch();
    return;
  }
  for (const lease of kept.values()) {
    // Stops before the manager may give the rows to somebody else.
    if (now - lease.confirmedMs > data.leaseMs * 0.9) end();
  }
}

const renewals = setInterval(() => {
  for (const lease of kept.values()) void renew(lease);
}, data.leaseMs / 5);
const watching = setInterval(watch, Math.min(100, data.batchTimeoutMs / 4));

port.on('message', (message: ToKeeper) => {
  switch (message.type) {
    case 'hold':
      kept.set(leaseName(message.lease), { ref: message.lease, confirmedMs: monotonicMs(), renewing: false });
      return;
    case 'drop':
      kept.delete(leaseName(message.lease));
      return;
    case 'close':
      clearInterval(renewals);
      clearInterval(watching);
      // Closing our own end is not the death of the parent: the process has still to clean up.
      parentPipe?.off('close', end).destroy();
      port.close();
  }
});

// Whoever started us holds the other end of standard input; when that process dies, however it dies, the pipe closes.
const parentPipe = data.endWithParent ? new Socket({ fd: 0 }) : null;
parentPipe?.resume().once('close', end);

say({ type: 'ready' });

function say(message: FromKeeper): void {
  port?.postMessage(message);
}
