import { Failure, type FailureReport } from '../core/errors.ts';
import { findColumn } from '../core/find-column.ts';
import { checkWhereNames } from '../data/parse-where.ts';
import type { JobSpec } from '../spec/job-spec.ts';
import { failureOfProblems } from '../spec/spec-problem.ts';
import { isPrepared } from './prepare.ts';
import { sources } from './sources.ts';

/**
 * Looks early whether the columns that a specification names are there, in the header or the footer of the first file: a typing
 * error is then said before there is a job. What cannot be told so is left to pin: columns of JSON Lines, of a prepared
 * input, of a model's version, and all types.
 *
 * Fails with COLUMN_MISSING or WHERE_NOT_ALLOWED, with all that is wrong, and with SOURCE_NOT_FOUND or SOURCE_UNREADABLE.
 */
export async function checkNamedColumns({ input, output }: JobSpec): Promise<void> {
  if (isPrepared(input)) return;
  const names = await sources[input.source].columnNames(input);
  if (names === null) return;
  const columns = names.map((name) => ({ name, type: '', neverNull: false }));
  const { key, features = [] } = input;
  const named: [field: string, name: string][] = [
    ...(input.columns ?? []).map((name): [string, string] => ['input.columns', name]),
    ...(key === undefined ? [] : [['input.key', key] as [string, string]]),
    ...(features === 'auto' ? [] : Array.isArray(features) ? features : Object.values(features).flat()).map(
      (name): [string, string] => ['input.features', name],
    ),
    ...output.include.map((name): [string, string] => ['output.include', name]),
  ];
  const problems: FailureReport[] = [];
  const attempt = async (work: () => unknown): Promise<void> => {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      problems.push(error.toJSON());
    }
  };
  for (const [field, name] of named) await attempt(() => findColumn(name, columns, field));
  const { where } = input;
  if (where !== undefined) await attempt(() => checkWhereNames(where, input.columns ?? names));
  if (problems.length > 0) throw failureOfProblems(problems);
}
