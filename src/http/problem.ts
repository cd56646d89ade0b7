import type { FastifyReply } from 'fastify';
import type { ErrorCode } from '../core/error-codes.ts';
import { asFailure } from '../core/errors.ts';

/** HTTP status of the failures that a request can meet; everything else that is the client's is 422. */
const STATUS: Partial<Record<ErrorCode, number>> = {
  UNAUTHORIZED: 401,
  JOB_NOT_FOUND: 404,
  MODEL_NOT_FOUND: 422,
  REQUEST_INVALID: 400,
  SPEC_INVALID: 400,
  SPEC_UNKNOWN_KEY: 400,
  JOB_FINISHED: 409,
  JOB_PUBLISHING: 409,
  DESTINATION_BUSY: 409,
  DESTINATION_EXISTS: 409,
  SOURCE_CHANGED: 409,
  MODEL_CHANGED: 409,
  MODEL_NAME: 400,
  MODEL_IN_USE: 409,
  // Passing trouble of the ledger's disk: workers and tasks ask again.
  STORAGE_FAILED: 503,
  DISK_FULL: 503,
  INTERNAL: 500,
};

/** Answers with a problem document (RFC 9457) that carries our stable code and what to do next. */
export async function sendProblem(reply: FastifyReply, error: unknown): Promise<void> {
  const failure = asFailure(error);
  const status = STATUS[failure.code] ?? 422;
  const { code, message, next, place } = failure;
  await reply
    .code(status)
    .type('application/problem+json')
    .send({ type: `/docs/errors.md#${code}`, title: code, status, detail: message, code, next, place });
}
