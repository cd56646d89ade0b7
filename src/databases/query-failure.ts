import type { ErrorCode } from '../core/error-codes.ts';
import { Failure } from '../core/errors.ts';

/** What a database said against a query, with the place where it says one: `offset` in characters from 0. */
export function queryFailure(
  code: ErrorCode,
  connection: string,
  said: string,
  where: {
    readonly query: string;
    readonly offset?: number;
    readonly next?: string;
    readonly cause?: unknown;
  },
): Failure {
  const { query, offset, next, cause } = where;
  const at = offset === undefined || offset < 0 || offset > query.length ? null : placeOf(query, offset);
  const [first = ''] = said.trim().split('\n');
  const sentence = first.length > 400 ? `${first.slice(0, 400)}...` : first;
  return new Failure(
    code,
    `input.query on ${connection}${at === null ? '' : `, line ${at.line}, column ${at.column}`}: ${sentence.replace(/[.!]$/, '')}.`,
    {
      place: { field: 'input.query', ...(at === null ? {} : { line: at.line }) },
      ...(next === undefined ? {} : { next }),
      ...(cause === undefined ? {} : { cause }),
    },
  );
}

/** A statement that ran out of `input.timeout_seconds`, by our clock. */
export function queryTimedOut(connection: string, timeoutMs: number): Failure {
  return new Failure(
    'QUERY_TIMEOUT',
    `input.query on ${connection} took longer than ${timeoutMs / 1_000} seconds.`,
    {
      place: { field: 'input.timeout_seconds' },
    },
  );
}

function placeOf(text: string, offset: number): { readonly line: number; readonly column: number } {
  const before = text.slice(0, offset);
  const from = before.lastIndexOf('\n') + 1;
  return { line: before.split('\n').length, column: [...before.slice(from)].length + 1 };
}

/** A query as it can stand inside of parentheses: without the semicolon that may end it. Behind it has to stand a line end. */
export function withoutEnd(query: string): string {
  return query.replace(/(\s*;)+\s*$/, '');
}

/** Names must be told apart as DuckDB does, without regard to letter case. Fails with COLUMN_AMBIGUOUS, QUERY_INVALID. */
export function requireDistinct(names: readonly string[], connection: string): void {
  if (names.length === 0)
    throw new Failure('QUERY_INVALID', `input.query on ${connection} gives no columns.`, {
      place: { field: 'input.query' },
    });
  const seen = new Map<string, string>();
  for (const name of names) {
    const other = seen.get(name.toLowerCase());
    if (name === '' || other !== undefined) {
      throw new Failure(
        'COLUMN_AMBIGUOUS',
        name === ''
          ? `input.query on ${connection} gives a column without a name.`
          : `input.query on ${connection} gives two columns ${name}${other === name ? '' : ` and ${other}, which differ in letter case only`}.`,
        {
          place: { field: name === '' ? 'input.query' : name },
          next: 'Name the columns apart: SELECT a AS b.',
        },
      );
    }
    seen.set(name.toLowerCase(), name);
  }
}

/** A column that cannot be carried exactly. */
export function refuseType(column: string, type: string, connection: string, cast: string): Failure {
  return new Failure(
    'COLUMN_TYPE',
    `Column "${column}" of input.query on ${connection} has the type ${type}, which cannot be carried exactly.`,
    {
      place: { field: column },
      next: `Cast it in the query, as ${cast}, or leave it out.`,
    },
  );
}
