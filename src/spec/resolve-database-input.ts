import type { FailureReport } from '../core/errors.ts';
import { requiredKeys } from './database-input-schema.ts';
import type { SpecOrigin } from './job-spec.ts';
import type { RawJobSpec } from './job-spec-schema.ts';
import { expectation } from './schema-fields.ts';
import { fieldProblem } from './schema-problems.ts';
import type { SpecPath } from './spec-document.ts';

type RawTable = Pick<
  RawJobSpec['input'],
  'source' | 'path' | 'connection' | 'query' | 'table' | 'timeout_seconds'
>;

/** By `source`: is it a database? */
function isDatabaseSource(source: string): source is 'sql' | 'table' {
  return source === 'sql' || source === 'table';
}

/** What has to be said of an input of files, and of one of a database, and of the other kind must not be. */
export function databaseProblems(input: RawTable, at: SpecPath, origin: SpecOrigin): FailureReport[] {
  const { source } = input;
  const problems: FailureReport[] = [];
  const refuse = (key: string, what: string) =>
    problems.push(fieldProblem('SPEC_INVALID', [...at, key], what, origin));
  const wanted: readonly string[] = requiredKeys(source);
  for (const key of requiredKeys(source)) {
    if (input[key] === undefined) refuse(key, `is missing; it must be ${expectation(['input', key]).is}`);
  }
  for (const key of ['path', 'connection', 'query', 'table'] as const) {
    if (input[key] !== undefined && !wanted.includes(key))
      refuse(key, `is for ${FOR[key]}, and the source is ${source}`);
  }
  if (!isDatabaseSource(source)) {
    for (const key of ['timeout_seconds', 'unfold'] as const)
      if ((input as Readonly<Record<string, unknown>>)[key] !== undefined)
        refuse(key, `is for source: sql or table, and the source is ${source}`);
  }
  return problems;
}

const FOR = {
  path: 'source: parquet, csv or jsonl',
  connection: 'source: sql or table',
  query: 'source: sql',
  table: 'source: table',
} as const;

/** `unfold` must make columns that are told apart. */
export function unfoldProblems({ unfold }: RawJobSpec['input'], origin: SpecOrigin): FailureReport[] {
  const seen = new Map<string, string>();
  const problems: FailureReport[] = [];
  for (const [column, names] of Object.entries(unfold ?? {})) {
    for (const [index, name] of names.entries()) {
      const other = seen.get(name.toLowerCase());
      if (other !== undefined)
        problems.push(
          fieldProblem(
            'COLUMN_AMBIGUOUS',
            ['input', 'unfold', column, index],
            `would make a second column ${name}, beside that of ${other}`,
            origin,
          ),
        );
      seen.set(name.toLowerCase(), column);
    }
  }
  return problems;
}
