import { Failure } from '../core/errors.ts';
import { type FlagValues, JOB_FLAGS, type JobFlag } from './flags.ts';
import { type JobSpec, parseJobSpec } from './job-spec.ts';
import { readSpecDocument } from './spec-document.ts';
import { splitList } from './split-list.ts';

export interface JobFile {
  readonly text: string;
  /** As the user calls it. */
  readonly name: string;
  /** Absolute. */
  readonly folder: string;
}

/**
 * A specification from flags alone, or from a job file of which flags override fields. Relative paths in flags start at
 * `workingFolder`, those in the file at its folder. A flag replaces the whole field, except `--tag`, which adds to the file's tags.
 *
 * `readText` reads the file that `input.transform` names. Fails like `parseJobSpec`, naming the flag where one is to blame; USAGE for pairs without `=`.
 */
export function jobSpecFromFlags(
  values: FlagValues,
  workingFolder: string,
  file?: JobFile,
  readText?: (path: string) => string,
): JobSpec {
  const document = file === undefined ? undefined : readSpecDocument(file.text, file.name);
  const raw =
    document === undefined
      ? { input: { source: sourceOf(values) }, output: { destination: 'parquet' } }
      : document.value;
  const given = JOB_FLAGS.filter(({ flag }) => values[flag] !== undefined && values[flag] !== false);
  if (isMapping(raw)) for (const flag of given) setField(raw, flag, fieldValue(flag, values[flag.flag]));

  // Without a file, what is missing is missing on the command line.
  const toBlame = document === undefined ? JOB_FLAGS : given;
  return parseJobSpec(raw, {
    folder: file?.folder ?? workingFolder,
    flagFolder: workingFolder,
    ...(readText === undefined ? {} : { readText }),
    flagOf: (field) => toBlame.find((flag) => flag.field === field)?.flag,
    ...(file === undefined || document === undefined ? {} : { file: file.name, lineOf: document.lineOf }),
  });
}

/** The kind of input that flags tell: a query, a table, or what all paths name by their endings; else Parquet. */
function sourceOf(values: FlagValues): string {
  if (values['--query'] !== undefined) return 'sql';
  if (values['--table'] !== undefined) return 'table';
  const paths = values['--input'];
  const kinds = new Set(
    [paths].flat().map((path) => KINDS.find(([ending]) => ending.test(String(path)))?.[1]),
  );
  const [kind] = kinds;
  return kinds.size === 1 && kind !== undefined ? kind : 'parquet';
}

const KINDS: readonly (readonly [ending: RegExp, kind: string])[] = [
  [/\.csv(\.(gz|zst))?$/i, 'csv'],
  [/\.(jsonl|ndjson)(\.(gz|zst))?$/i, 'jsonl'],
];

type Mapping = Record<string, unknown>;

function isMapping(value: unknown): value is Mapping {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What stands around the field and is no mapping is left as it is: the parser says so. */
function setField(raw: Mapping, { field, flag }: JobFlag, value: unknown): void {
  const [first = '', second] = field.split('.');
  if (second === undefined) {
    raw[first] = flag === '--tag' && isMapping(raw[first]) ? { ...raw[first], ...(value as Mapping) } : value;
    return;
  }
  raw[first] ??= {};
  const parent = raw[first];
  if (isMapping(parent)) parent[second] = value;
}

function fieldValue({ flag, kind }: JobFlag, given: FlagValues[string]): unknown {
  const texts = [given].flat().map(String);
  const last = texts.at(-1) ?? '';
  switch (kind) {
    case 'switch':
      return given === true || last === 'true';
    case 'true-or-false':
      return last === 'true' || last === 'false' ? last === 'true' : last;
    case 'text':
    case 'path':
      return last;
    case 'text-or-file':
      return last.startsWith('@') ? { file: last.slice(1) } : last;
    case 'paths':
    case 'texts':
      return texts;
    case 'list':
      return texts.flatMap(splitList);
    case 'list-or-auto':
      return texts.length === 1 && last === 'auto' ? last : texts.flatMap(splitList);
    case 'number-or-text':
      return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(last) ? Number(last) : last;
    case 'pairs':
      return Object.fromEntries(texts.flatMap(splitList).map((pair) => splitPair(pair, flag)));
  }
}

function splitPair(pair: string, flag: string): [string, string] {
  const at = pair.indexOf('=');
  if (at > 0) return [pair.slice(0, at), pair.slice(at + 1)];
  throw new Failure('USAGE', `${flag} takes name=value, not ${JSON.stringify(pair)}.`, {
    place: { field: flag },
  });
}
