import { Failure } from '../../core/errors.ts';
import { duckdbFailure, type StatementPlace } from '../duckdb-failure.ts';
import { placeIn } from './place-in.ts';

interface Said {
  readonly exception_type: string;
  readonly exception_message: string;
  readonly position?: string;
  readonly candidates?: string;
}

/** An error as DuckDB tells it with `errors_as_json`. */
export function said(error: unknown): Said {
  const message = error instanceof Error ? error.message : String(error);
  try {
    const parsed = JSON.parse(message) as Partial<Said>;
    return { exception_type: 'Unknown', exception_message: message, ...parsed };
  } catch {
    const [, type = 'Unknown'] = /^([A-Z][A-Za-z ]*) Error: /.exec(message) ?? [];
    return { exception_type: type, exception_message: message };
  }
}

/** What is wrong with a user's SQL, before it ran: with line and column of their text, and names that are near. */
export function invalidSql(text: string, error: unknown): Failure {
  const { exception_message: message, position, candidates } = said(error);
  return invalid(text, message, position, candidates);
}

export function invalid(text: string, message: string, position: unknown, candidates?: string): Failure {
  const at = placeIn(text, position);
  const [first = ''] = message.split('\n');
  const near =
    candidates === undefined || candidates === '' ? null : candidates.split(',').slice(0, 5).join(', ');
  return new Failure(
    'TRANSFORM_INVALID',
    `input.transform${at === null ? '' : `, ${at.shown}`}: ${first.replace(/[.!]$/, '')}.`,
    {
      place: { field: 'input.transform', ...(at === null ? {} : { line: at.line }) },
      ...(near === null ? {} : { next: `Did you mean ${near}?` }),
    },
  );
}

/** What went wrong while a statement ran. `what` names it: `input.transform`, or the joins. */
export function runFailure(
  what: string,
  error: unknown,
  place: StatementPlace,
  memoryLimitMb: number,
): Failure {
  if (error instanceof Failure) return error;
  const { exception_type: type, exception_message: message } = said(error);
  const [line = ''] = message.split('\n');
  const shown = line.length > 300 ? `${line.slice(0, 300)}...` : line;
  const failed = (sentence: string, next?: string) =>
    new Failure('TRANSFORM_FAILED', `${what} ${sentence}`, {
      place: { field: what },
      cause: error,
      ...(next === undefined ? {} : { next }),
    });
  if (/No space left on device|disk quota exceeded|max_temp_directory_size/i.test(message))
    return new Failure('DISK_FULL', `The disk is full: ${shown}`, { cause: error });
  if (/out of memory/i.test(type) || /bad_alloc|bad allocation|failed to allocate/i.test(message))
    return failed(
      `needs more than the ${memoryLimitMb} MiB of memory that the task has: ${shown}`,
      'Raise config.max_memory_gb, or let the SQL keep less at once.',
    );
  if (
    /^(Conversion|Out of Range|Invalid Input|Mismatch Type|Decimal|Constraint|Divide by Zero|Invalid type)$/i.test(
      type,
    )
  ) {
    const file = place.reads.find((path) => message.includes(path));
    if (file === undefined) return failed(`cannot be computed for a row: ${shown}`);
  }
  return duckdbFailure(new Error(`${type} Error: ${message}`, { cause: error }), place);
}
