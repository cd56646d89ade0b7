import type { z } from 'zod';
import { ERROR_CODES } from '../core/error-codes.ts';
import { Failure, type FailureReport } from '../core/errors.ts';
import { nearest } from '../core/nearest.ts';

/** The body as the schema has it, or REQUEST_INVALID naming every field at fault. */
export function parseBody<Schema extends z.ZodType>(schema: Schema, body: unknown): z.output<Schema> {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  const problems = result.error.issues.flatMap((issue) => problemsOf(issue, schema));
  const [first] = problems;
  throw new Failure('REQUEST_INVALID', first?.message ?? 'The body is invalid.', {
    place: first?.place ?? {},
    ...(problems.length > 1 ? { problems: problems.slice(0, 20) } : {}),
  });
}

/** A part of a route's request that is read by its schema alone. */
export function bodyOf<Schema extends z.ZodType>(
  schema: Schema,
): { readonly schema: Schema; readonly parse: (body: unknown) => z.output<Schema> } {
  return { schema, parse: (body) => parseBody(schema, body) };
}

function problemsOf(issue: z.core.$ZodIssue, schema: z.ZodType): FailureReport[] {
  const path = issue.path.map(String);
  if (issue.code !== 'unrecognized_keys') return [problem(path, issue.message)];
  const known = path.length === 0 && 'shape' in schema ? Object.keys(schema.shape as object) : [];
  return issue.keys.map((key) => {
    const near = nearest(key, known);
    const hint =
      near !== undefined
        ? `; did you mean ${near}?`
        : known.length > 0
          ? `; there are ${known.join(', ')}`
          : '';
    return problem([...path, key], `does not exist${hint}`);
  });
}

function problem(path: readonly string[], what: string): FailureReport {
  const field = path.join('.');
  const sentence = `${field === '' ? 'The body' : field}: ${what}`;
  return {
    code: 'REQUEST_INVALID',
    message: /[.?]$/.test(sentence) ? sentence : `${sentence}.`,
    next: ERROR_CODES.REQUEST_INVALID.next,
    place: { field },
  };
}
