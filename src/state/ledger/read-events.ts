import type { EventRow } from './ledger.ts';
import type { Transaction } from './transaction.ts';

export async function events(
  tx: Transaction,
  tenant: string,
  jobId: string,
  afterSeq: number,
  limit: number,
): Promise<EventRow[]> {
  const records = await tx.all<{ seq: number; at_ms: number; type: string; data: string }>(
    'SELECT seq, at_ms, type, data FROM event WHERE tenant = ? AND job_id = ? AND seq > ? ORDER BY seq LIMIT ?',
    tenant,
    jobId,
    afterSeq,
    limit,
  );
  return records.map((record) => ({
    seq: record.seq,
    atMs: record.at_ms,
    type: record.type,
    data: JSON.parse(record.data),
  }));
}
