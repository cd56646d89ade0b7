import { resolve } from 'node:path';
import { asFailure, type FailureReport } from '../core/errors.ts';
import type { JoinSpec, SideInputSpec, SpecOrigin } from './job-spec.ts';
import type { RawJobSpec } from './job-spec-schema.ts';
import { fieldProblem } from './schema-problems.ts';
import type { SpecPath } from './spec-document.ts';
import { failureOfProblems } from './spec-problem.ts';

type RawInput = RawJobSpec['input'];
type RawSideInput = NonNullable<RawInput['side_inputs']>[string];

/** The SQL of `input.transform`, read from its file where it names one (`folder`: where relative paths start). */
export function resolvedTransform(
  transform: NonNullable<RawInput['transform']>,
  folder: string,
  origin: SpecOrigin,
): string {
  return resolvedSql(transform, ['input', 'transform'], folder, origin);
}

/** SQL, read from its file where a field names one. */
export function resolvedSql(
  transform: NonNullable<RawInput['transform']>,
  path: SpecPath,
  folder: string,
  origin: SpecOrigin,
): string {
  if (typeof transform === 'string') return transform;
  const refuse = (what: string): never => {
    throw failureOfProblems([fieldProblem('SPEC_INVALID', path, what, origin)]);
  };
  if (origin.readText === undefined) return refuse('names a file, which is not there here; give its text');
  let text: string;
  try {
    text = origin.readText(resolve(folder, transform.file));
  } catch (error) {
    return refuse(`cannot be read: ${asFailure(error).message.replace(/\.$/, '')}`);
  }
  if (text.trim() === '') return refuse(`names ${transform.file}, which is empty`);
  if (text.length > MAX_SQL || text.includes('\0') || !text.isWellFormed())
    return refuse(`names ${transform.file}, which is no SQL text of at most ${MAX_SQL} characters`);
  return text;
}

const MAX_SQL = 200_000;

export function resolvedSideInputs(
  sides: NonNullable<RawInput['side_inputs']>,
  folder: string,
  origin: SpecOrigin,
): Record<string, SideInputSpec> {
  return Object.fromEntries(
    Object.entries(sides).map(([name, { path, query, null: nulls, join, ...rest }]) => [
      name,
      {
        ...rest,
        ...(path === undefined ? {} : { path: [path].flat().map((each) => resolve(folder, each)) }),
        ...(query === undefined
          ? {}
          : { query: resolvedSql(query, ['input', 'side_inputs', name, 'query'], folder, origin) }),
        ...(nulls === undefined ? {} : { null: [...new Set([nulls].flat())] }),
        ...(join === undefined ? {} : { join: resolvedJoin(join) }),
      },
    ]),
  );
}

function resolvedJoin({ on, as_of: asOf, ...rest }: NonNullable<RawSideInput['join']>): JoinSpec {
  const pairs =
    typeof on === 'string' || Array.isArray(on)
      ? Object.fromEntries([on].flat().map((name) => [name, name]))
      : on;
  return {
    on: pairs,
    ...rest,
    ...(asOf === undefined ? {} : { as_of: { ...asOf, inclusive: asOf.inclusive ?? true } }),
  };
}

/** What `transform` and `side_inputs` say about each other. */
export function preparationProblems(input: RawInput, origin: SpecOrigin): FailureReport[] {
  const problems: FailureReport[] = [];
  const seen = new Map<string, string>();
  for (const [name, { join }] of Object.entries(input.side_inputs ?? {})) {
    const path: SpecPath = ['input', 'side_inputs', name];
    const refuse = (what: string) => problems.push(fieldProblem('SPEC_INVALID', path, what, origin));
    const other = seen.get(name.toLowerCase());
    if (other !== undefined) refuse(`is the same name as ${other}: letter case does not count`);
    seen.set(name.toLowerCase(), name);
    if (join === undefined && input.transform === undefined)
      refuse('is used by nothing: it has no join, and there is no input.transform');
  }
  return problems;
}
