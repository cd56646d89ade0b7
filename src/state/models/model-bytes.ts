import type { Transaction } from '../ledger/transaction.ts';
import type { ModelBytesRef } from './models.ts';

export function unusedModelBytes(tx: Transaction): Promise<ModelBytesRef[]> {
  return tx.all<ModelBytesRef>(
    `SELECT DISTINCT tenant, folder FROM model_version AS gone
      WHERE removed_ms IS NOT NULL AND bytes_gone_ms IS NULL AND ${UNUSED} ORDER BY tenant, folder`,
  );
}

export async function modelBytesGone(
  tx: Transaction,
  { tenant, folder }: ModelBytesRef,
  nowMs: number,
): Promise<void> {
  await tx.run(
    `UPDATE model_version SET bytes_gone_ms = ?
      WHERE tenant = ? AND folder = ? AND removed_ms IS NOT NULL AND bytes_gone_ms IS NULL`,
    nowMs,
    tenant,
    folder,
  );
}

/** No version that is there has the bytes of `gone`, nor has one that an unfinished job uses. */
const UNUSED = `NOT EXISTS (
        SELECT 1 FROM model_version AS there
         WHERE there.tenant = gone.tenant AND there.folder = gone.folder AND there.removed_ms IS NULL)
      AND NOT EXISTS (
        SELECT 1 FROM job
          JOIN job_model ON job_model.tenant = job.tenant AND job_model.job_id = job.job_id
          JOIN model_version AS used
            ON used.tenant = job_model.tenant AND used.name = job_model.name AND used.version = job_model.version
         WHERE job.ended_ms IS NULL AND job.tenant = gone.tenant AND used.folder = gone.folder)`;
