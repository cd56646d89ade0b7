import type { AttemptFailure, LeaseRef } from '../../core/lease.ts';
import { attemptFailed } from './attempt-failed.ts';
import type { Time } from './ledger.ts';
import { leasedShard } from './shard-record.ts';
import type { Transaction } from './transaction.ts';

export async function fail(
  tx: Transaction,
  lease: LeaseRef,
  failure: AttemptFailure,
  time: Time,
): Promise<'retrying' | 'exhausted' | 'fenced'> {
  const shard = await leasedShard(tx, lease);
  if (shard === undefined) return 'fenced';
  return attemptFailed(tx, shard, { kind: 'failure', ...failure }, time);
}
