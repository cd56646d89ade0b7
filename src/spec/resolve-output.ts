import type { FailureReport } from '../core/errors.ts';
import type { OutputSpec, SpecOrigin } from './job-spec.ts';
import type { RawJobSpec } from './job-spec-schema.ts';
import { fieldProblem } from './schema-problems.ts';
import type { SpecPath } from './spec-document.ts';

type RawOutput = RawJobSpec['output'];

/** The output's short forms spelled out, and the defaults of its format filled in; `path` and `include` are the caller's. */
export function spelledOut(output: RawOutput): Omit<OutputSpec, 'path' | 'include'> {
  const { flatten, argmax, ...rest } = output;
  const { destination } = output;
  return {
    ...rest,
    ...(flatten === undefined ? {} : { flatten: withPrefixes(flatten) }),
    ...(argmax === undefined ? {} : { argmax: withLabels(argmax) }),
    ...(destination === 'parquet' ? {} : { compression: output.compression ?? 'none' }),
    ...(destination === 'csv' ? { escape_formulas: output.escape_formulas ?? false } : {}),
  };
}

/** Options that have no meaning for the format. */
export function formatProblems({ destination, compression, escape_formulas }: RawOutput, origin: SpecOrigin) {
  const problems: FailureReport[] = [];
  const refuse = (key: string, what: string) =>
    problems.push(fieldProblem('SPEC_INVALID', ['output', key], what, origin));
  if (compression !== undefined && destination === 'parquet')
    refuse('compression', 'is for destination csv or jsonl; Parquet files are compressed inside');
  if (escape_formulas !== undefined && destination !== 'csv')
    refuse('escape_formulas', `is for destination csv, not ${destination}`);
  return problems;
}

/** Columns that the output names itself, each with its place in the specification. Those of `flatten` only the model tells. */
export function namedColumns(output: RawOutput): [SpecPath, string][] {
  const at = (...path: string[]): SpecPath => ['output', ...path];
  const named: [SpecPath, string | undefined][] = [
    ...Object.entries(output.columns ?? {}).map(([key, name]): [SpecPath, string] => [
      at('columns', key),
      name,
    ]),
    ...Object.entries(withLabels(output.argmax ?? {})).flatMap(
      ([key, { label, score }]): [SpecPath, string | undefined][] => [
        [at('argmax', key, 'label'), label],
        [at('argmax', key, 'score'), score],
      ],
    ),
    ...Object.entries(output.top_k ?? {}).flatMap(
      ([key, { labels, scores }]): [SpecPath, string | undefined][] => [
        [at('top_k', key, 'labels'), labels],
        [at('top_k', key, 'scores'), scores],
      ],
    ),
    ...Object.keys(output.threshold ?? {}).map((name): [SpecPath, string] => [at('threshold', name), name]),
    ...Object.keys(output.constants ?? {}).map((name): [SpecPath, string] => [at('constants', name), name]),
  ];
  return named.filter((each): each is [SpecPath, string] => each[1] !== undefined);
}

function withPrefixes(flatten: NonNullable<RawOutput['flatten']>): Record<string, string> {
  return Array.isArray(flatten) ? Object.fromEntries(flatten.map((name) => [name, ''])) : flatten;
}

function withLabels(argmax: NonNullable<RawOutput['argmax']>): NonNullable<OutputSpec['argmax']> {
  return Object.fromEntries(
    Object.entries(argmax).map(([name, given]) => [
      name,
      typeof given === 'string' ? { label: given } : given,
    ]),
  );
}
