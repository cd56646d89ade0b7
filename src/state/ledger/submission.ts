import { Failure } from '../../core/errors.ts';
import type { SubmissionRow, SubmitInput } from './ledger.ts';
import type { Transaction } from './transaction.ts';

/** An idempotency key is remembered so long: longer than anybody repeats a request. */
const KEPT_MS = 7 * 24 * 3_600_000;

export async function submission(
  tx: Transaction,
  tenant: string,
  idempotencyKey: string,
): Promise<SubmissionRow | null> {
  const found = await tx.get<{ body_sha256: string; answer: string }>(
    'SELECT body_sha256, answer FROM submission WHERE tenant = ? AND idempotency_key = ?',
    tenant,
    idempotencyKey,
  );
  return found === undefined ? null : { bodySha256: found.body_sha256, answer: JSON.parse(found.answer) };
}

/** Fails with IDEMPOTENCY_CONFLICT unless the request is the one that was answered. */
export function sameAnswer({ bodySha256, answer }: SubmissionRow, sha256: string): SubmissionRow['answer'] {
  if (bodySha256 === sha256) return answer;
  throw new Failure(
    'IDEMPOTENCY_CONFLICT',
    `The idempotency key stands for job ${answer.jobId}, of another request.`,
    {
      place: { field: 'Idempotency-Key' },
    },
  );
}

/** The answer that this very request had before; null: it is new. Fails with IDEMPOTENCY_CONFLICT. */
export async function repeatedAnswer(
  tx: Transaction,
  { tenant, idempotency }: Pick<SubmitInput, 'tenant' | 'idempotency'>,
): Promise<SubmissionRow['answer'] | null> {
  if (idempotency === undefined) return null;
  const known = await submission(tx, tenant, idempotency.key);
  if (known === null) return null;
  return sameAnswer(known, idempotency.bodySha256);
}

export async function rememberAnswer(
  tx: Transaction,
  { tenant, idempotency, time }: Pick<SubmitInput, 'tenant' | 'idempotency' | 'time'>,
  answer: Omit<SubmissionRow['answer'], 'said'>,
): Promise<void> {
  if (idempotency === undefined) return;
  await tx.run('DELETE FROM submission WHERE at_ms < ?', time.nowMs - KEPT_MS);
  await tx.run(
    'INSERT INTO submission (tenant, idempotency_key, body_sha256, answer, at_ms) VALUES (?, ?, ?, ?, ?)',
    tenant,
    idempotency.key,
    idempotency.bodySha256,
    JSON.stringify({ ...answer, said: idempotency.said }),
    time.nowMs,
  );
}
