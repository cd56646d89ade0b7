/**
 * A scoring process for `test/lease-keeper.test.ts`: holds a lease, blocks its thread for a while as a model call does, and
 * prints what it knows afterwards.
 */
import type { Lease } from '../../src/core/lease.ts';
import { startLeaseKeeper } from '../../src/worker/lease-keeper.ts';

const { managerUrl, leaseMs, batchTimeoutMs, blockMs, endWithParent } = JSON.parse(process.argv[2] ?? '') as {
  managerUrl: string;
  leaseMs: number;
  batchTimeoutMs: number;
  blockMs: number;
  endWithParent: boolean;
};
const monotonicMs = () => Number(process.hrtime.bigint()) / 1e6;
const lease: Lease = {
  tenant: 'default',
  jobId: 'job-1',
  shardId: 7,
  attempt: 3,
  range: { start: 100, end: 200 },
  careful: false,
  condemned: null,
  rejectsLeft: 0,
};
const keeper = await startLeaseKeeper(
  { managerUrl, token: 'token', leaseMs, batchTimeoutMs, endWithParent },
  monotonicMs,
);
const held = keeper.hold(lease);
held.progress({ rows: 20, rejected: 1 });
held.enterModel({ start: 120, end: 140 });
Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, blockMs);
held.leaveModel();
// What the keeper has said meanwhile is heard once the thread is free.
await new Promise((resolve) => setTimeout(resolve, 50));
console.log(JSON.stringify({ lost: held.lost.aborted, until: held.until() }));
held.drop();
await keeper.close();
