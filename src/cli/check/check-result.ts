import type { Counts } from '../../core/counts.ts';
import type { FailureReport } from '../../core/errors.ts';
import type { ModelUse } from '../../core/model-version.ts';
import type { KeyCandidates } from '../../data/key-candidates.ts';
import type { PredictionFacts } from '../../data/prediction-facts.ts';
import type { RejectGroups } from '../../data/reject-groups.ts';
import type { Estimate } from './estimate.ts';

/** What a look before the job has found, as `check --json` prints it. Null: it could not be looked at. */
export interface CheckResult {
  readonly ready: boolean;
  /** What keeps the job from completing, in the order in which it would meet it. */
  readonly problems: readonly FailureReport[];
  /** What should be known, and keeps it from nothing. */
  readonly warnings: readonly string[];
  readonly model: CheckedModel | null;
  readonly input: CheckedInput | null;
  readonly binding: CheckedBinding | null;
  readonly sample: CheckedSample | null;
  readonly estimate: Estimate | null;
  readonly output: CheckedOutput;
  /** The unfinished job that `run` would go on with. */
  readonly resumes: string | null;
}

export interface CheckedModel {
  readonly reference: string;
  readonly sha256: string;
  /** Null: the model is a file. */
  readonly registered: ModelUse | null;
}

export interface CheckedInput {
  readonly source: string;
  readonly files: number;
  readonly size_bytes: number;
  /** Rows that the job would read. */
  readonly rows: number;
  /** False: reckoned from the beginnings of files. */
  readonly rows_exact: boolean;
  /** Files whose columns were looked at, at least at their beginnings. */
  readonly files_looked_at: number;
  readonly malformed_lines: number;
  /** By `input.transform` or joins: rows and columns are those of the result. */
  readonly prepared: boolean;
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  /** Null: a key is named, or needed. Else rows are told by file and row number, and these columns could be a key. */
  readonly keyless: KeyCandidates | null;
}

export interface CheckedBinding {
  readonly inputs: readonly {
    readonly input: string;
    readonly type: string;
    readonly shape: string;
    readonly columns: readonly { readonly column: string; readonly type: string; readonly note: string }[];
  }[];
  /** All columns of the result, in order. */
  readonly outputs: readonly { readonly column: string; readonly type: string; readonly from: string }[];
}

export interface CheckedSample {
  readonly counts: Counts;
  /** Runs of rows that it was taken from. */
  readonly places: number;
  readonly rejects: RejectGroups;
  readonly predictions: readonly PredictionFacts[];
  readonly key: CheckedKey | null;
}

export interface CheckedKey {
  readonly column: string;
  /** True: the input's own statistics prove it. */
  readonly never_null: boolean;
  readonly rows: number;
  readonly distinct: number;
  /** A key that stands more than once. */
  readonly twice: string | null;
}

export interface CheckedOutput {
  readonly location: string;
  readonly destination: string;
  readonly mode: string;
  readonly usable: boolean;
  readonly free_bytes: number | null;
}
