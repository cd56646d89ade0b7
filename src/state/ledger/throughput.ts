import type { Throughput } from './ledger.ts';
import type { Transaction } from './transaction.ts';

/** Jobs that count: the latest ones, as machines and settings change. */
const JOBS = 5;

export async function throughput(
  tx: Transaction,
  tenant: string,
  modelSha256: string,
): Promise<Throughput | null> {
  const sum = await tx.get<{ rows: number | null; ms: number | null; other: number | null }>(
    `SELECT SUM(rows_read) AS rows, SUM(last_complete_ms - first_claim_ms) AS ms,
            AVG(ended_ms - last_complete_ms + first_claim_ms - created_ms) AS other
       FROM (SELECT * FROM job
              WHERE tenant = ? AND model_sha256 = ? AND state = 'completed' AND rows_read > 0 AND first_claim_ms IS NOT NULL
              ORDER BY ended_ms DESC LIMIT ${JOBS})`,
    tenant,
    modelSha256,
  );
  if (sum?.rows == null || sum.ms == null || sum.other == null) return null;
  return { msPerRow: sum.ms / sum.rows, fixedMs: Math.max(0, sum.other) };
}
