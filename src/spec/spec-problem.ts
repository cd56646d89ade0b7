import { ERROR_CODES, type ErrorCode } from '../core/error-codes.ts';
import { Failure, type FailureReport, failureFromReport } from '../core/errors.ts';

interface Where {
  readonly file?: string | undefined;
  readonly line?: number | undefined;
  readonly field?: string | undefined;
}

/** One thing that is wrong with a specification. The message begins with `file:line: ` where those are known. */
export function specProblem(
  code: ErrorCode,
  sentence: string,
  { file, line, field }: Where,
  next?: string,
): FailureReport {
  const at = [file, line].filter((part) => part !== undefined).join(':');
  return {
    code,
    message: at === '' ? sentence : `${at}: ${sentence}`,
    next: next ?? ERROR_CODES[code].next,
    place: {
      ...(file === undefined ? {} : { file }),
      ...(line === undefined ? {} : { line }),
      ...(field === undefined ? {} : { field }),
    },
  };
}

const SHOWN = 20;

/** All of them as one failure, in order of lines; it has the code and place of the first. */
export function failureOfProblems(problems: readonly FailureReport[]): Failure {
  const sorted = problems.toSorted((a, b) => (a.place.line ?? 0) - (b.place.line ?? 0));
  const first = sorted[0];
  if (first === undefined) throw new Error('no problems to report');
  if (sorted.length === 1) return failureFromReport(first);
  const shown = sorted.slice(0, SHOWN);
  const rest = sorted.length - shown.length;
  const list = [...shown.map((problem) => problem.message), ...(rest > 0 ? [`and ${rest} more`] : [])];
  return new Failure(
    first.code,
    `The job specification has ${sorted.length} problems:\n  ${list.join('\n  ')}`,
    {
      place: first.place,
      next: first.next,
      problems: shown,
    },
  );
}
