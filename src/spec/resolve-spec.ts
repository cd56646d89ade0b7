import { basename, extname, resolve } from 'node:path';
import { asFailure, type FailureReport } from '../core/errors.ts';
import { isModelPath, parseModelReference } from '../core/model-reference.ts';
import type { ConfigSpec, InputSpec, JobSpec, OutputSpec, SpecOrigin } from './job-spec.ts';
import type { RawJobSpec } from './job-spec-schema.ts';
import { databaseProblems, unfoldProblems } from './resolve-database-input.ts';
import { formatProblems, namedColumns, spelledOut } from './resolve-output.ts';
import {
  preparationProblems,
  resolvedSideInputs,
  resolvedSql,
  resolvedTransform,
} from './resolve-preparation.ts';
import { fieldProblem } from './schema-problems.ts';
import type { SpecPath } from './spec-document.ts';
import { failureOfProblems } from './spec-problem.ts';

/**
 * From a specification whose fields are each valid to one that makes sense as a whole: paths made absolute, the name
 * filled in, and what fields say about each other checked. Fails like `parseJobSpec`.
 */
export function resolveSpec(raw: RawJobSpec, origin: SpecOrigin): JobSpec {
  const problems = [
    ...pathProblems(raw, origin),
    ...formatProblems(raw.output, origin),
    ...columnProblems(raw, origin),
    ...databaseProblems(raw.input, ['input'], origin),
    ...unfoldProblems(raw.input, origin),
    ...textProblems(raw.input, ['input'], origin),
    ...Object.entries(raw.input.side_inputs ?? {}).flatMap(([name, side]) => [
      ...databaseProblems(side, ['input', 'side_inputs', name], origin),
      ...textProblems(side, ['input', 'side_inputs', name], origin),
    ]),
    ...preparationProblems(raw.input, origin),
  ];
  if (problems.length > 0) throw failureOfProblems(problems);
  return {
    name: raw.name ?? (origin.file === undefined ? modelName(raw.model_id) : stem(origin.file)),
    model_id: isModelPath(raw.model_id) ? resolve(folderOf('model_id', origin), raw.model_id) : raw.model_id,
    input: resolvedInput(raw.input, origin),
    output: resolvedOutput(raw, origin),
    config: { ...raw.config, error_budget: errorBudget(raw.config.error_budget) },
    tags: raw.tags,
    ...(raw.owner === undefined ? {} : { owner: raw.owner }),
    provenance: raw.provenance,
  };
}

/** Where the relative paths of a field start. */
function folderOf(field: string, { folder, flagFolder, flagOf }: SpecOrigin): string {
  return flagFolder !== undefined && flagOf?.(field) !== undefined ? flagFolder : folder;
}

function resolvedInput(input: RawJobSpec['input'], origin: SpecOrigin): InputSpec {
  const folder = folderOf('input.path', origin);
  const { path: paths, query, features, null: nulls, transform, side_inputs: sides, ...rest } = input;
  return {
    ...rest,
    ...(paths === undefined ? {} : { path: [paths].flat().map((path) => resolve(folder, path)) }),
    ...(query === undefined
      ? {}
      : { query: resolvedSql(query, ['input', 'query'], folderOf('input.query', origin), origin) }),
    ...(nulls === undefined ? {} : { null: [...new Set([nulls].flat())] }),
    ...(features === undefined ? {} : { features: resolvedFeatures(features) }),
    ...(transform === undefined
      ? {}
      : { transform: resolvedTransform(transform, folderOf('input.transform', origin), origin) }),
    ...(sides === undefined
      ? {}
      : { side_inputs: resolvedSideInputs(sides, folderOf('input.side_inputs', origin), origin) }),
  };
}

type RawFeatures = NonNullable<RawJobSpec['input']['features']>;

function resolvedFeatures(features: RawFeatures): NonNullable<InputSpec['features']> {
  if (features === 'auto' || Array.isArray(features)) return features;
  return Object.fromEntries(Object.entries(features).map(([input, columns]) => [input, [columns].flat()]));
}

/** Each name of a column among the features, and where it stands. */
function namedFeatures(features: RawFeatures): [SpecPath, string][] {
  const path = ['input', 'features'];
  const ofList = (names: string | readonly string[], below: SpecPath): [SpecPath, string][] =>
    typeof names === 'string' ? [[below, names]] : names.map((name, at) => [[...below, at], name]);
  if (features === 'auto') return [];
  if (Array.isArray(features)) return ofList(features, path);
  return Object.entries(features).flatMap(([input, names]) => ofList(names, [...path, input]));
}

function resolvedOutput({ input, output }: RawJobSpec, origin: SpecOrigin): OutputSpec {
  const include = output.include.filter((name) => name !== input.key);
  return { ...spelledOut(output), path: resolve(folderOf('output.path', origin), output.path), include };
}

function errorBudget(raw: RawJobSpec['config']['error_budget']): ConfigSpec['error_budget'] {
  if (typeof raw === 'number') return { count: raw };
  if (typeof raw === 'string') return { share: Number(raw.slice(0, -1)) / 100 };
  return raw;
}

function modelName(model: string): string {
  return isModelPath(model) ? stem(model) : parseModelReference(model).name;
}

function stem(path: string): string {
  return (
    basename(path, extname(path))
      .replaceAll(/[\p{Cc}\p{Cs}]/gu, '')
      .slice(0, 200) || 'job'
  );
}

function pathProblems({ model_id, input, output }: RawJobSpec, origin: SpecOrigin): FailureReport[] {
  const problems: FailureReport[] = [];
  const inputs: [SpecPath, string][] = Array.isArray(input.path)
    ? input.path.map((path, at) => [['input', 'path', at], path])
    : input.path === undefined
      ? []
      : [[['input', 'path'], input.path]];
  for (const [name, side] of Object.entries(input.side_inputs ?? {})) {
    for (const path of [side.path ?? []].flat()) inputs.push([['input', 'side_inputs', name, 'path'], path]);
  }
  for (const [path, value] of [[['model_id'], model_id], ...inputs, [['output', 'path'], output.path]] as [
    SpecPath,
    string,
  ][]) {
    if (/\$\{\{/.test(value)) {
      problems.push(
        fieldProblem(
          'SPEC_NOT_BUILT',
          path,
          'holds a parameter in double braces, which this version does not support yet',
          origin,
        ),
      );
    } else if (/^[a-z][a-z0-9+.-]+:\/\//i.test(value)) {
      problems.push(
        fieldProblem(
          'SPEC_NOT_BUILT',
          path,
          `is a URL (${value.split('://')[0]}://), and this version reads and writes local files only`,
          origin,
          'Give a path on this machine.',
        ),
      );
    } else if (/^~[^/\\]*([/\\]|$)/.test(value)) {
      problems.push(
        fieldProblem(
          'SPEC_INVALID',
          path,
          'begins with ~, which is not expanded here; write the path out',
          origin,
        ),
      );
    }
  }
  if (problems.length > 0) return problems;
  problems.push(...modelProblems(model_id, origin));
  if (/[*?]/.test(output.path)) {
    problems.push(
      fieldProblem('SPEC_INVALID', ['output', 'path'], 'must be one folder, not a pattern', origin),
    );
  } else if (resolve(folderOf('output.path', origin), output.path) === resolve('/')) {
    problems.push(
      fieldProblem('SPEC_INVALID', ['output', 'path'], 'must not be the root of the file system', origin),
    );
  }
  return problems;
}

function modelProblems(model: string, origin: SpecOrigin): FailureReport[] {
  if (!isModelPath(model)) {
    try {
      parseModelReference(model);
      return [];
    } catch (error) {
      const { message, next } = asFailure(error);
      return [
        fieldProblem('SPEC_INVALID', ['model_id'], `is wrong: ${message.replace(/\.$/, '')}`, origin, next),
      ];
    }
  }
  // What a path without an ending of another kind stands for, a folder perhaps, is seen where files are.
  if (!/\.(?!onnx$)[a-z]\w*$/i.test(basename(model))) return [];
  return [
    fieldProblem(
      'SPEC_NOT_BUILT',
      ['model_id'],
      `is ${model}, no .onnx file; this version does not support other kinds of model yet`,
      origin,
      'Give the path of an .onnx file, or the name of a model in the registry.',
    ),
  ];
}

const CSV_ONLY = ['delimiter', 'quote', 'header', 'null', 'decimal'] as const;

/** What is said about CSV and JSON Lines: of another kind of input, or against itself. */
function textProblems(
  input: Pick<RawJobSpec['input'], 'source' | 'types' | (typeof CSV_ONLY)[number]>,
  at: SpecPath,
  origin: SpecOrigin,
): FailureReport[] {
  const problems: FailureReport[] = [];
  const refuse = (key: string, what: string) =>
    problems.push(fieldProblem('SPEC_INVALID', [...at, key], what, origin));
  for (const key of CSV_ONLY) {
    if (input.source !== 'csv' && input[key] !== undefined)
      refuse(key, `is for source: csv, and the source is ${input.source}`);
  }
  if (input.source !== 'csv' && input.source !== 'jsonl' && input.types !== undefined)
    refuse(
      'types',
      `is for source: csv or jsonl; ${input.source === 'parquet' ? 'Parquet files have types of their own' : 'a database has types of its own'}`,
    );
  const delimiter = input.delimiter ?? ',';
  const decimal = input.decimal ?? '.';
  if (input.source === 'csv' && delimiter === decimal)
    refuse('decimal', `is ${decimal}, which separates fields already; set input.delimiter`);
  if (input.source === 'csv' && delimiter === (input.quote ?? '"'))
    refuse('quote', `is ${delimiter}, which separates fields already`);
  if (input.source === 'csv' && (input.quote === decimal || input.quote === '-'))
    refuse('quote', `is ${input.quote}, which is part of numbers`);
  const names = new Map<string, string>();
  for (const [name, type] of Object.entries(input.types ?? {})) {
    const other = names.get(fold(name));
    if (other !== undefined) refuse('types', `names ${other} and ${name}, which are one column`);
    names.set(fold(name), name);
    if (type.endsWith('[]') && (input.source === 'csv' || /^(DECIMAL|DATE|TIMESTAMP)/.test(type)))
      refuse(
        'types',
        `declares ${name} as ${type}, which ${input.source === 'csv' ? 'CSV' : 'a list'} cannot hold`,
      );
  }
  return problems;
}

/** Names of columns of the input are compared as DuckDB does: without regard to letter case. */
function columnProblems({ input, output }: RawJobSpec, origin: SpecOrigin): FailureReport[] {
  const problems: FailureReport[] = [];
  if (input.unique_key && input.key === undefined) {
    problems.push(
      fieldProblem('SPEC_INVALID', ['input', 'unique_key'], 'is true, but there is no input.key', origin),
    );
  }
  if (input.columns !== undefined) {
    const allowed = new Set(input.columns.map(fold));
    const used: [SpecPath, string][] = [
      ...(input.key === undefined ? [] : [[['input', 'key'], input.key] as [SpecPath, string]]),
      ...namedFeatures(input.features ?? []),
      ...output.include.map((name, at): [SpecPath, string] => [['output', 'include', at], name]),
    ];
    for (const [path, name] of used) {
      if (!allowed.has(fold(name)))
        problems.push(
          fieldProblem('SPEC_INVALID', path, `names ${name}, which is not one of input.columns`, origin),
        );
    }
  }
  return [...problems, ...doubleOutputs(input, output, origin)];
}

/** Columns that would stand twice in the output. Without `output.columns`, names are known only once the model is. */
function doubleOutputs(
  input: RawJobSpec['input'],
  output: RawJobSpec['output'],
  origin: SpecOrigin,
): FailureReport[] {
  const problems: FailureReport[] = [];
  const taken = new Map<string, string>();
  if (input.key === undefined) {
    taken.set('source_file', 'the key of an input without a key column');
    taken.set('source_row', 'the key of an input without a key column');
  } else {
    taken.set(fold(input.key), 'input.key');
  }
  const others: [SpecPath, string][] = [
    ...output.include.flatMap((name, at): [SpecPath, string][] =>
      name === input.key ? [] : [[['output', 'include', at], name]],
    ),
    ...namedColumns(output),
  ];
  for (const [path, name] of others) {
    const by = taken.get(fold(name));
    if (by !== undefined) {
      problems.push(
        fieldProblem(
          'COLUMN_AMBIGUOUS',
          path,
          `would put a second column ${name} into the output, beside ${by}`,
          origin,
        ),
      );
    }
    taken.set(fold(name), path.slice(0, 2).join('.'));
  }
  return problems;
}

function fold(name: string): string {
  return name.toLowerCase();
}
