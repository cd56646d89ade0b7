import { isErrorCode } from '../core/error-codes.ts';
import { Failure, type FailureReport, failureFromReport } from '../core/errors.ts';

export interface TransportOptions {
  readonly managerUrl: string;
  readonly token: string;
  readonly fetch: typeof globalThis.fetch;
  readonly sleep: (ms: number) => Promise<void>;
  /** Of one try. Default 30,000. */
  readonly timeoutMs?: number;
  /** Tries before MANAGER_UNREACHABLE; waits 100, 200, 400 ... at most 3,000 ms between them. Default 8. */
  readonly attempts?: number;
}

/**
 * One call of the manager. Network errors and 5xx are tried again: every route is safe to repeat. An answer that is an
 * error becomes its `Failure`.
 */
export type Call = <Answer>(
  method: 'GET' | 'POST',
  path: string,
  body?: unknown,
  limits?: {
    readonly timeoutMs?: number;
    readonly attempts?: number;
    readonly headers?: Readonly<Record<string, string>>;
  },
) => Promise<Answer>;

export function createTransport(options: TransportOptions): Call {
  const { managerUrl, token } = options;
  return async (method, path, body, limits) => {
    const { timeoutMs = 30_000, attempts = 8 } = { ...options, ...limits };
    let cause: unknown;
    for (let attempt = 0; attempt < attempts; attempt += 1) {
      if (attempt > 0) await options.sleep(Math.min(3_000, 100 * 2 ** (attempt - 1)));
      // Made outside of the try: a mistake of ours in here must not look like a silent manager.
      const url = new URL(path, managerUrl);
      const request: RequestInit = {
        method,
        headers: {
          authorization: `Bearer ${token}`,
          ...limits?.headers,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(Math.ceil(timeoutMs)),
      };
      let response: Response;
      let text: string;
      try {
        response = await options.fetch(url, request);
        text = await response.text();
      } catch (error) {
        cause = error;
        continue;
      }
      if (response.ok) return JSON.parse(text);
      if (response.status >= 500) {
        cause = failureOf(text, response.status);
        continue;
      }
      throw failureOf(text, response.status);
    }
    // It does answer, and says what is the matter.
    if (cause instanceof Failure) throw cause;
    throw new Failure('MANAGER_UNREACHABLE', `The manager at ${managerUrl} does not answer.`, { cause });
  };
}

/** The failure that an answer which is none of success tells of. */
export function failureOf(text: string, status: number): Failure {
  try {
    const problem = JSON.parse(text) as Partial<FailureReport> & { detail?: string };
    if (typeof problem.code === 'string' && isErrorCode(problem.code)) {
      return failureFromReport({
        code: problem.code,
        message: problem.detail ?? problem.message ?? problem.code,
        next: problem.next ?? '',
        place: problem.place ?? {},
      });
    }
  } catch {
    // Not one of our problem documents; said as it is below.
  }
  return new Failure('REQUEST_INVALID', `HTTP ${status}: ${text.slice(0, 300)}`);
}
