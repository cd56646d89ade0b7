import { ERROR_CODES, type ErrorCode } from './error-codes.ts';

/** What an error is about. All optional; given where known. */
export interface ErrorPlace {
  readonly file?: string;
  /** 1-based. */
  readonly line?: number;
  /** Dotted path in a specification, or a column's name. */
  readonly field?: string;
  /** Key of a record, as text, or its row number. */
  readonly row?: string;
}

/**
 * The world said no. `message` is one sentence about what happened; `next` says what to do about it.
 * Code decides scope and retry (see `error-codes.ts`). Bugs are not `Failure`s: they crash the process.
 */
export class Failure extends Error {
  readonly code: ErrorCode;
  readonly place: ErrorPlace;
  readonly next: string;
  /** Where several things are wrong at once: each of them. Empty when `message` is about one. */
  readonly problems: readonly FailureReport[];
  /** Lines that show people the matter at a glance (a table), printed below `next`; at most 40. */
  readonly details: readonly string[];

  constructor(
    code: ErrorCode,
    message: string,
    options: {
      place?: ErrorPlace;
      next?: string;
      cause?: unknown;
      problems?: readonly FailureReport[];
      details?: readonly string[];
    } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'Failure';
    this.code = code;
    this.place = options.place ?? {};
    this.next = options.next ?? ERROR_CODES[code].next;
    this.problems = options.problems ?? [];
    this.details = options.details ?? [];
  }

  toJSON(): FailureReport {
    const { code, message, next, place, problems, details } = this;
    return {
      code,
      message,
      next,
      place,
      ...(problems.length === 0 ? {} : { problems }),
      ...(details.length === 0 ? {} : { details }),
    };
  }
}

/** A failure as it crosses processes, is stored in the ledger and shown to people. */
export interface FailureReport {
  readonly code: ErrorCode;
  readonly message: string;
  readonly next: string;
  readonly place: ErrorPlace;
  readonly problems?: readonly FailureReport[];
  readonly details?: readonly string[];
}

export function failureFromReport(report: FailureReport): Failure {
  return new Failure(report.code, report.message, {
    place: report.place,
    next: report.next,
    ...(report.problems === undefined ? {} : { problems: report.problems }),
    ...(report.details === undefined ? {} : { details: report.details }),
  });
}

/** Turns whatever was thrown into a Failure, once, at the edge. Foreign errors become `code`. */
export function asFailure(error: unknown, code: ErrorCode = 'INTERNAL'): Failure {
  if (error instanceof Failure) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new Failure(code, message, { cause: error });
}
