import type { JobState } from '../../core/states.ts';
import type { LedgerStats } from './ledger.ts';
import type { Transaction } from './transaction.ts';

export async function stats(tx: Transaction): Promise<LedgerStats> {
  const states = await tx.all<{ state: JobState; jobs: number; oldestMs: number }>(
    'SELECT state, COUNT(*) AS jobs, MIN(created_ms) AS oldestMs FROM job GROUP BY state',
  );
  const sums = await tx.get<{ scored: number; rejected: number; filtered: number; retries: number }>(
    `SELECT COALESCE(SUM(rows_scored), 0) AS scored, COALESCE(SUM(rows_rejected), 0) AS rejected,
            COALESCE(SUM(rows_filtered), 0) AS filtered, COALESCE(SUM(retries), 0) AS retries FROM job`,
  );
  const leases = await tx.get<{ leased: number }>(
    "SELECT COUNT(*) AS leased FROM shard WHERE state = 'leased'",
  );
  return {
    jobs: Object.fromEntries(states.map(({ state, jobs }) => [state, jobs])),
    oldestSubmittedMs: states.find(({ state }) => state === 'submitted')?.oldestMs ?? null,
    rows: {
      scored: sums?.scored ?? 0,
      rejected: sums?.rejected ?? 0,
      filtered: sums?.filtered ?? 0,
    },
    retries: sums?.retries ?? 0,
    leases: leases?.leased ?? 0,
  };
}
