import type { AttemptFailure, Completion, LeaseRef } from './lease.ts';
import type { RowRange } from './snapshot.ts';

/** What a worker reports of its attempt, as client, manager and worker all have it. Every report may be repeated. */
export interface AttemptReports {
  /** Null: the rows that were suspected have been answered. */
  suspect(lease: LeaseRef, range: RowRange | null): Promise<'noted' | 'fenced'>;
  complete(lease: LeaseRef, completion: Completion): Promise<'accepted' | 'fenced'>;
  split(lease: LeaseRef, completion: Completion): Promise<'accepted' | 'fenced'>;
  release(lease: LeaseRef): Promise<'released' | 'fenced'>;
  fail(lease: LeaseRef, failure: AttemptFailure): Promise<'retrying' | 'exhausted' | 'fenced'>;
}
