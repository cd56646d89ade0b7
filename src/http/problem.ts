import type { FastifyReply } from 'fastify';
import { ERROR_CODES, type ErrorCode } from '../core/error-codes.ts';
import { Failure, type FailureReport } from '../core/errors.ts';
import { escapePointer } from '../core/json-pitfalls.ts';

/** HTTP status of the failures that a request can meet; everything else that is the client's is 422. */
const STATUS: Partial<Record<ErrorCode, number>> = {
  UNAUTHORIZED: 401,
  FORBIDDEN: 403,
  PATH_FORBIDDEN: 403,
  JOB_NOT_FOUND: 404,
  ROUTE_UNKNOWN: 404,
  API_KEY_UNKNOWN: 404,
  MODEL_NOT_FOUND: 422,
  REQUEST_INVALID: 400,
  SPEC_INVALID: 400,
  SPEC_UNKNOWN_KEY: 400,
  REQUEST_TIMEOUT: 408,
  JOB_FINISHED: 409,
  JOB_PUBLISHING: 409,
  JOB_UNFINISHED: 409,
  DESTINATION_BUSY: 409,
  DESTINATION_EXISTS: 409,
  SOURCE_CHANGED: 409,
  MODEL_CHANGED: 409,
  MODEL_NAME: 400,
  MODEL_IN_USE: 409,
  RESULT_GONE: 410,
  RETRY_EXPIRED: 410,
  BODY_TOO_LARGE: 413,
  RATE_LIMITED: 429,
  // Passing trouble of the ledger's disk: workers and tasks ask again.
  STORAGE_FAILED: 503,
  DISK_FULL: 503,
  WORKER_FAILED: 503,
  INTERNAL: 500,
};

function statusOf(code: ErrorCode): number {
  return STATUS[code] ?? 422;
}

/** A problem document (RFC 9457), with our stable code, what to do next, and where in the request the fault lies. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: ErrorCode;
  readonly next: string;
  readonly place: FailureReport['place'];
  /** Of the field in the body (RFC 6901). */
  readonly pointer?: string;
  /** Each fault, where there are several. */
  readonly errors?: readonly {
    readonly code: ErrorCode;
    readonly detail: string;
    readonly pointer?: string;
  }[];
}

/** What was thrown, as a problem. What no Failure is says nothing of our insides. */
export function problemOf(error: unknown): Problem {
  const failure =
    error instanceof Failure
      ? error
      : new Failure('INTERNAL', ERROR_CODES.INTERNAL.meaning, { cause: error });
  const { code, message, next, place, problems } = failure;
  return {
    type: `/docs#${code}`,
    title: ERROR_CODES[code].meaning,
    status: statusOf(code),
    detail: message,
    code,
    next,
    place,
    ...pointerOf(place),
    ...(problems.length === 0
      ? {}
      : {
          errors: problems.map((each) => ({
            code: each.code,
            detail: each.message,
            ...pointerOf(each.place),
          })),
        }),
  };
}

/** `at`: the path of the route. What a job names and is not there makes the job wrong; what a path names is not found. */
export async function sendProblem(reply: FastifyReply, error: unknown, at = ''): Promise<void> {
  const said = problemOf(error);
  const missing = said.code === 'MODEL_NOT_FOUND' && at.startsWith('/api/v1/models');
  const problem = missing ? { ...said, status: 404 } : said;
  if (problem.status === 429) void reply.header('retry-after', '1');
  if (problem.status === 401) void reply.header('www-authenticate', 'Bearer');
  await reply.code(problem.status).type('application/problem+json').send(problem);
}

/** `input.path[0]` as `/input/path/0`. */
function pointerOf({ field }: FailureReport['place']): { readonly pointer?: string } {
  if (field === undefined || field === '') return {};
  const parts = field.replaceAll(/\[(\d+)\]/g, '.$1').split('.');
  return { pointer: parts.map((part) => `/${escapePointer(part)}`).join('') };
}
