import type { z } from 'zod';
import type { ErrorCode } from '../core/error-codes.ts';
import type { FailureReport } from '../core/errors.ts';
import { nearest } from '../core/nearest.ts';
import type { SpecOrigin } from './job-spec.ts';
import { LATER_KEYS, LATER_VALUES } from './later-keys.ts';
import { expectation, fieldName, schemaFields } from './schema-fields.ts';
import type { SpecPath } from './spec-document.ts';
import { specProblem } from './spec-problem.ts';

/** What zod found, in our words: which field, what it must be, what it is. */
export function schemaProblems(error: z.ZodError, raw: unknown, origin: SpecOrigin): FailureReport[] {
  return error.issues.flatMap(withinUnion).flatMap((issue) => {
    const path = issue.path.filter((part) => typeof part !== 'symbol');
    if (issue.code === 'unrecognized_keys')
      return issue.keys.map((key) => unknownKey([...path, key], origin));
    return [badValue(path, issue, raw, origin)];
  });
}

/** Of a value that may have several forms and has one of them, what is wrong inside of it. */
function withinUnion(issue: z.core.$ZodIssue): z.core.$ZodIssue[] {
  if (issue.code !== 'invalid_union') return [issue];
  const form = issue.errors.find(
    (issues) => issues.length > 0 && issues.every(({ path }) => path.length > 0),
  );
  if (form === undefined) return [issue];
  return form.flatMap((inner) => withinUnion({ ...inner, path: [...issue.path, ...inner.path] }));
}

/** A problem with one field, as user and file call it; `what` completes the sentence. */
export function fieldProblem(
  code: ErrorCode,
  path: SpecPath,
  what: string,
  origin: SpecOrigin,
  next?: string,
): FailureReport {
  const field = fieldName(path);
  const flag = origin.flagOf?.(fieldName(path.slice(0, 2))) ?? origin.flagOf?.(fieldName(path.slice(0, 1)));
  const name = flag === undefined ? field : `${flag} (${field})`;
  const line = flag === undefined ? origin.lineOf?.(path) : undefined;
  const file = flag === undefined ? origin.file : undefined;
  const sentence = `${name === '' ? 'The job specification' : name} ${what}${what.endsWith('?') ? '' : '.'}`;
  return specProblem(code, sentence, { file, line, field: field === '' ? undefined : field }, next);
}

function unknownKey(path: SpecPath, origin: SpecOrigin): FailureReport {
  if (Object.hasOwn(LATER_KEYS, fieldName(path))) {
    return fieldProblem(
      'SPEC_NOT_BUILT',
      path,
      'is planned, but this version does not support it yet',
      origin,
    );
  }
  const parent = path.slice(0, -1);
  const key = String(path.at(-1));
  const siblings = ALL_FIELDS.filter((known) => fieldName(known.slice(0, -1)) === fieldName(parent)).map(
    (known) => String(known.at(-1)),
  );
  if (siblings.length === 0) {
    // Below a mapping of names that are the user's own.
    const { at, is } = expectation(parent);
    return fieldProblem('SPEC_UNKNOWN_KEY', path, `does not exist; ${fieldName(at)} is ${is}`, origin);
  }
  const sibling = nearest(key, siblings);
  const meant = sibling === undefined ? elsewhere(key) : fieldName([...parent, sibling]);
  if (meant !== undefined)
    return fieldProblem(
      'SPEC_UNKNOWN_KEY',
      path,
      `does not exist; did you mean ${meant}?`,
      origin,
      `Rename it to ${meant}, or remove it.`,
    );
  return fieldProblem(
    'SPEC_UNKNOWN_KEY',
    path,
    `does not exist; the keys here are ${siblings.join(', ')}`,
    origin,
  );
}

/** Built or planned. */
const ALL_FIELDS: readonly (readonly string[])[] = [
  ...schemaFields().map((field) => field.path),
  ...Object.keys(LATER_KEYS).map((field) => field.split('.')),
];

/** The full name of a key that stands under another heading: `batch_size` at the top is meant for `config`. */
function elsewhere(key: string): string | undefined {
  const names = new Map(
    ALL_FIELDS.filter((known) => known.length === 2).map((known) => [String(known[1]), fieldName(known)]),
  );
  const near = nearest(key, [...names.keys()]);
  return near === undefined ? undefined : names.get(near);
}

function badValue(path: SpecPath, issue: z.core.$ZodIssue, raw: unknown, origin: SpecOrigin): FailureReport {
  const value = valueAt(raw, path);
  const field = fieldName(path);
  if (typeof value === 'string' && LATER_VALUES[field]?.includes(value)) {
    return fieldProblem(
      'SPEC_NOT_BUILT',
      path,
      `is ${value}, which is planned, but this version does not support it yet`,
      origin,
    );
  }
  const { at, is } = expectation(path);
  if (value === undefined && path.length > 0)
    return fieldProblem('SPEC_INVALID', path, `is missing; it must be ${is}`, origin);
  if (issue.code === 'custom' && issue.message !== NO_MESSAGE)
    return fieldProblem('SPEC_INVALID', path, issue.message, origin);
  const wanted = at.length === path.length ? `must be ${is}` : `does not fit: ${fieldName(at)} must be ${is}`;
  return fieldProblem('SPEC_INVALID', path, `${wanted}, not ${shown(value)}`, origin);
}

/** zod's message for a refinement that has none of its own. */
const NO_MESSAGE = 'Invalid input';

function valueAt(raw: unknown, path: SpecPath): unknown {
  let value = raw;
  for (const part of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
    value = (value as Record<string | number, unknown>)[part];
  }
  return value;
}

/** The value, short enough for a message. */
function shown(value: unknown): string {
  if (value === null) return 'empty';
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list';
  if (typeof value === 'object') return Object.keys(value).length === 0 ? 'an empty mapping' : 'a mapping';
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return text.length > 60 ? `${text.slice(0, 60)}...` : text;
}
