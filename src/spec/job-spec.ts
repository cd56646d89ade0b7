import type { OutputTransforms } from '../core/output-transforms.ts';
import { jobSpecSchema } from './job-spec-schema.ts';
import { resolveSpec } from './resolve-spec.ts';
import { schemaProblems } from './schema-problems.ts';
import { readSpecDocument, type SpecPath } from './spec-document.ts';
import { failureOfProblems } from './spec-problem.ts';
import { sizeProblem } from './spec-size.ts';

/**
 * A job specification, checked, with defaults filled in and paths made absolute; deeply frozen. It has the keys of the
 * YAML file and of the API (docs/job-specification.md says what each means), and parsing it again gives the same.
 */
export interface JobSpec {
  readonly name: string;
  /** Absolute path of an ONNX file, or a reference to a model of the registry, as the user wrote it. */
  readonly model_id: string;
  readonly input: InputSpec;
  readonly output: OutputSpec;
  /** Execution settings: no part of a job's identity. */
  readonly config: ConfigSpec;
  readonly tags: Readonly<Record<string, string>>;
  readonly owner?: string;
  readonly provenance: Readonly<Record<string, unknown>>;
}

export interface InputSpec {
  readonly source: 'parquet' | 'csv' | 'jsonl' | 'sql' | 'table';
  /** Absolute; files, folders or patterns. Absent: the input comes out of a database. */
  readonly path?: readonly string[];
  /** Of a database: its name in the configuration. */
  readonly connection?: string;
  /** With `source: sql`. */
  readonly query?: string;
  /** With `source: table`; a dot separates schema and table, unless it is in double quotes. */
  readonly table?: string;
  readonly timeout_seconds?: number;
  /** Column to the columns that its elements become. */
  readonly unfold?: Readonly<Record<string, readonly string[]>>;
  /** Absent: file and row number are the key. */
  readonly key?: string;
  readonly unique_key: boolean;
  /** Columns in the model's order; or those of each of its inputs; or `auto`: the input's columns as they come. */
  readonly features?: 'auto' | readonly string[] | Readonly<Record<string, readonly string[]>>;
  /** The user's text: `parseWhere` makes it safe SQL, once the columns are known. */
  readonly where?: string;
  /** The only columns that may be used. Absent: all. */
  readonly columns?: readonly string[];
  readonly limit?: number;
  readonly on_null: 'reject' | 'nan' | number;
  /** Absent, as all below: as RFC 4180 says. */
  readonly delimiter?: string;
  /** '': none. */
  readonly quote?: string;
  readonly header?: boolean;
  readonly null?: readonly string[];
  readonly decimal?: '.' | ',';
  /** As DuckDB prints them, by column. */
  readonly types?: Readonly<Record<string, string>>;
  /** SQL over `input` and the side inputs; the job scores its rows. */
  readonly transform?: string;
  /** By name. */
  readonly side_inputs?: Readonly<Record<string, SideInputSpec>>;
}

/** Where a table lies and how it is read: the input's, or that of a side input. */
export type TableSpec = Pick<
  InputSpec,
  | 'source'
  | 'path'
  | 'delimiter'
  | 'quote'
  | 'header'
  | 'null'
  | 'decimal'
  | 'types'
  | 'connection'
  | 'query'
  | 'table'
  | 'timeout_seconds'
> & {
  /** Only of an input: which columns of a table are read, and what becomes of lists. */
  readonly columns?: readonly string[];
  readonly unfold?: Readonly<Record<string, readonly string[]>>;
};

export interface SideInputSpec extends TableSpec {
  /** Absent: only `transform` uses it. */
  readonly join?: JoinSpec;
}

/** A join that gives each row of the input the columns of at most one row of a side input. */
export interface JoinSpec {
  /** Column of the input to the column of the side input that it must equal. */
  readonly on: Readonly<Record<string, string>>;
  /** Absent: the side input has at most one row for each key. */
  readonly as_of?: AsOfSpec;
  /** Absent: all but those of key and time. */
  readonly columns?: readonly string[];
  readonly prefix?: string;
}

export interface AsOfSpec {
  /** Column of the input that says as of when. */
  readonly input: string;
  /** Column of the side input that says since when its row holds. */
  readonly side: string;
  /** `30 days`: whole seconds, minutes, hours, days or weeks. */
  readonly max_age?: string;
  /** False: a row of the very time of the input does not count. Default: true. */
  readonly inclusive?: boolean;
  /** Of rows with one key and time, that with the greatest value counts. */
  readonly latest_by?: string;
}

export interface OutputSpec extends OutputTransforms {
  readonly destination: 'parquet' | 'csv' | 'jsonl';
  /** Absolute path of a folder. */
  readonly path: string;
  readonly mode: 'error' | 'overwrite' | 'append';
  /** Without the key column, which is always there. */
  readonly include: readonly string[];
  /** Model output, or `output[label]`, to the name of its column. Absent: all outputs under their own names. */
  readonly columns?: Readonly<Record<string, string>>;
  readonly allow_non_finite: boolean;
  /** Always there for `csv` and `jsonl`. */
  readonly compression?: 'none' | 'gzip' | 'zstd';
  /** Always there for `csv`. */
  readonly escape_formulas?: boolean;
}

export interface ConfigSpec {
  readonly batch_size: number;
  readonly parallelism: number;
  readonly max_memory_gb: number;
  readonly timeout_minutes: number;
  readonly batch_timeout_seconds: number;
  readonly retry_count: number;
  /** Rejects that the job may have: a count, or a share (0 to 1) of the rows read. */
  readonly error_budget: { readonly count: number } | { readonly share: number };
}

/** Where a specification comes from: what its paths are relative to, and how its fields are named in messages. */
export interface SpecOrigin {
  /** Absolute; relative paths start here. */
  readonly folder: string;
  /** The job file, as the user calls it. */
  readonly file?: string;
  readonly lineOf?: (path: SpecPath) => number | undefined;
  /** The command-line flag that gave a field, if one did. */
  readonly flagOf?: (field: string) => string | undefined;
  /** Absolute; relative paths given by flags start here. Default: `folder`. */
  readonly flagFolder?: string;
  /** Reads the file that `input.transform` names. Absent: the SQL has to stand in the specification. */
  readonly readText?: (path: string) => string;
}

/**
 * Checks and resolves a specification given as plain values (from YAML, JSON or flags).
 *
 * Fails with SPEC_INVALID, SPEC_UNKNOWN_KEY, SPEC_NOT_BUILT or COLUMN_AMBIGUOUS; every problem found is in `problems`,
 * each with file, line and field where they are known.
 */
export function parseJobSpec(raw: unknown, origin: SpecOrigin): JobSpec {
  const tooBig = sizeProblem(raw, origin);
  if (tooBig !== null) throw failureOfProblems([tooBig]);
  const parsed = jobSpecSchema.safeParse(raw);
  if (!parsed.success) throw failureOfProblems(schemaProblems(parsed.error, raw, origin));
  return deepFreeze(resolveSpec(parsed.data, origin));
}

/** A job file: YAML or JSON. Its paths are relative to `folder`, the one the file lies in. */
export function parseJobFile(text: string, file: string, folder: string): JobSpec {
  const document = readSpecDocument(text, file);
  return parseJobSpec(document.value, { folder, file, lineOf: document.lineOf });
}

function deepFreeze<Value>(value: Value): Value {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const member of Object.values(value)) deepFreeze(member);
  }
  return value;
}
