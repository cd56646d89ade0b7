import type { LeaseRef } from '../../core/lease.ts';
import type { RowRange } from '../../core/snapshot.ts';
import type { ShardState } from '../../core/states.ts';
import type { Transaction } from './transaction.ts';

/** The table `shard`, column by column. */
export interface ShardRecord {
  readonly tenant: string;
  readonly job_id: string;
  readonly shard_id: number;
  readonly split_from: number | null;
  readonly row_start: number;
  readonly row_end: number;
  readonly state: ShardState;
  readonly attempt: number;
  readonly failures: number;
  readonly deaths: number;
  readonly careful: 0 | 1;
  readonly condemned: string | null;
  readonly not_before: number | null;
  readonly worker: string | null;
  readonly request_id: string | null;
  readonly lease_until: number | null;
  readonly suspect_start: number | null;
  readonly suspect_end: number | null;
  readonly progress_rows: number;
  readonly progress_rejected: number;
  readonly rows_read: number | null;
  readonly rows_scored: number | null;
  readonly rows_rejected: number | null;
  readonly rows_filtered: number | null;
  readonly part: string | null;
  readonly rejects: string | null;
}

/** The shard of a lease that still holds. Undefined: the lease is fenced off. */
export function leasedShard(tx: Transaction, lease: LeaseRef): Promise<ShardRecord | undefined> {
  return tx.get<ShardRecord>(
    "SELECT * FROM shard WHERE tenant = ? AND job_id = ? AND shard_id = ? AND attempt = ? AND state = 'leased'",
    lease.tenant,
    lease.jobId,
    lease.shardId,
    lease.attempt,
  );
}

export function rangeOf(shard: ShardRecord): RowRange {
  return { start: shard.row_start, end: shard.row_end };
}

export interface NewShard {
  readonly tenant: string;
  readonly jobId: string;
  readonly shardId: number;
  readonly splitFrom: number | null;
  readonly range: RowRange;
  /** Of the shard it was cut from, so that fencing tokens keep growing; 0 for a planned one. */
  readonly attempt: number;
  readonly failures: number;
  readonly careful: boolean;
  readonly notBefore: number | null;
}

export async function insertReadyShard(tx: Transaction, shard: NewShard): Promise<void> {
  await tx.run(
    `INSERT INTO shard (tenant, job_id, shard_id, split_from, row_start, row_end, state, attempt, failures, careful, not_before)
     VALUES (?, ?, ?, ?, ?, ?, 'ready', ?, ?, ?, ?)`,
    shard.tenant,
    shard.jobId,
    shard.shardId,
    shard.splitFrom,
    shard.range.start,
    shard.range.end,
    shard.attempt,
    shard.failures,
    shard.careful ? 1 : 0,
    shard.notBefore,
  );
}
