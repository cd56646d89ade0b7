import type { ElementType } from './columns.ts';

/**
 * What a model takes and gives, as read from the model itself. Dimensions: a number, or a string/null for one that is
 * free (the first is the batch).
 */
export interface ModelSignature {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly OutputSpec[];
  /** Outputs that no column can hold (sequences, maps, bfloat16, ...); `type` as the model's format writes it. */
  readonly unusable?: readonly { readonly name: string; readonly type: string }[];
}

export interface TensorSpec {
  readonly name: string;
  readonly type: ElementType;
  /** Empty: one value for the whole batch, or the model does not say. */
  readonly shape: readonly (number | string | null)[];
}

export interface OutputSpec extends TensorSpec {
  /** Class labels of the last dimension, where the model names them (scikit-learn's ZipMap); strings or whole numbers. */
  readonly labels?: readonly (string | number)[];
}

/**
 * Which columns feed which model input: settled once per job at pin, never guessed, and kept in the manifest.
 * Each input takes one column (shape [N] or [N, 1]), or several packed into one [N, F] tensor in this order, or one
 * column of lists.
 */
export interface Binding {
  readonly inputs: readonly InputBinding[];
  readonly outputs: readonly OutputBinding[];
  /** Columns that are the same in all rows, after the outputs. */
  readonly constants?: readonly ConstantColumn[];
  /** The model takes exactly so many records in a call: no batch has more, and a smaller one is filled up. Absent: any number. */
  readonly batchRows?: number;
  /** What the user should know of how it was settled; absent: nothing. */
  readonly warnings?: readonly string[];
}

export interface InputBinding {
  readonly input: string;
  readonly type: ElementType;
  readonly columns: readonly string[];
  /** Rank of the tensor that the model wants: 1 for [N], 2 for [N, F], more for [N, A, B, ...], which is filled row-major. */
  readonly rank: number;
  /**
   * The one column holds a list for each record, row-major: the dimensions of a record's tensor. Null, once at most:
   * as many as the list has; the records of a batch then have lists of one length.
   */
  readonly list?: readonly (number | null)[];
}

export interface OutputBinding {
  /** Name of the model's output. */
  readonly output: string;
  /** Name of the column in the published dataset. */
  readonly column: string;
  readonly type: ElementType;
  /** 'scalar': one value per row. 'list': one list per row: a [N, K] output, or [N, A, B, ...] row-major. */
  readonly shape: 'scalar' | 'list';
  /** Position in the last dimension, when one element of a [N, K] output is asked for (`probability[yes]`). */
  readonly element?: number;
  readonly labels?: readonly (string | number)[];
  /** What is made of the output; absent: nothing, it is published as it is. `type` and `shape` are those of the result. */
  readonly derived?: Derivation;
}

/** How a published column comes about from an output, or from the `element` of it. */
export interface Derivation {
  /** First, the scores of each record become probabilities. */
  readonly softmax: boolean;
  readonly give:
    | { readonly kind: 'values' }
    | { readonly kind: 'argmax'; readonly of: 'labels' | 'scores' }
    /** At most k entries: fewer where a record has fewer scores. */
    | { readonly kind: 'top_k'; readonly of: 'labels' | 'scores'; readonly k: number }
    | { readonly kind: 'threshold'; readonly atLeast: number };
}

export interface ConstantColumn {
  readonly column: string;
  /** As DuckDB names it. */
  readonly type: 'VARCHAR' | 'BIGINT' | 'DOUBLE' | 'BOOLEAN' | 'TIMESTAMP WITH TIME ZONE';
  /** Times in ISO 8601. */
  readonly value: string | number | boolean;
}

/** For people: `[rows, 20]` where any number of rows may come, whatever the model calls it; another free dimension by its name, or `?`. */
export function shapeText(shape: readonly (number | string | null)[]): string {
  const [rows] = shape;
  const texts = shape.map((dim, at) =>
    typeof dim !== 'number' && (at === 0 || (dim !== null && dim === rows)) ? 'rows' : (dim ?? '?'),
  );
  return `[${texts.join(', ')}]`;
}
