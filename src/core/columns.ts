/**
 * Columnar record batches: what travels between the reader, the runtime and the part writer. No object per row.
 * A column is values + optional validity + (for lists) offsets.
 */

export const ELEMENT_TYPES = [
  'float16',
  'float32',
  'float64',
  'int8',
  'int16',
  'int32',
  'int64',
  'uint8',
  'uint16',
  'uint32',
  'uint64',
  'bool',
  'string',
] as const;

/** Element types that a model can take or give; the names are ONNX's without the prefix. */
export type ElementType = (typeof ELEMENT_TYPES)[number];

export type NumericValues =
  | Float32Array
  | Float64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array;

/**
 * The array that holds values of a fixed-width type. What a model takes as `float16` travels as float32: the runtime rounds it.
 */
export const ELEMENT_ARRAYS = {
  float16: Float32Array,
  float32: Float32Array,
  float64: Float64Array,
  int8: Int8Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint8: Uint8Array,
  uint16: Uint16Array,
  uint32: Uint32Array,
  uint64: BigUint64Array,
  bool: Uint8Array,
} as const satisfies Record<Exclude<ElementType, 'string'>, unknown>;

/** `bool` travels as Uint8Array of 0 and 1; `string` as an array of JavaScript strings. */
export type Values = NumericValues | string[];

export interface Column {
  readonly name: string;
  readonly type: ElementType;
  /** One entry per row, or, for a list column, all the lists' elements one after the other. */
  readonly values: Values;
  /** One byte per row, 1 = present, 0 = null. Absent: no row is null. */
  readonly validity?: Uint8Array;
  /** Only for list columns: row i's elements are values[offsets[i]] up to, not including, values[offsets[i + 1]]. */
  readonly offsets?: Uint32Array;
}

/**
 * Some consecutive records of one shard, in row order.
 *
 * The reader lays columns of one fixed-width type that it was asked for in a row out in one buffer, each column right
 * behind the one before (a row-major `[F, N]` block), so that a runtime can hand the block to a model without copying.
 * The buffers belong to the reader: they are valid until the next batch is asked for.
 */
export interface RecordBatch {
  readonly rows: number;
  /** Row number in the snapshot of each record; strictly increasing. */
  readonly rowNumbers: Float64Array;
  readonly columns: readonly Column[];
}

/** One answer per record of a batch: each row is either covered by every column or named in `rejects`. */
export interface Prediction {
  /** `batch.rows` entries each. What a rejected row holds is arbitrary and never read. */
  readonly columns: readonly Column[];
  readonly rejects: readonly RowReject[];
}

export interface RowReject {
  /** Index in the batch. */
  readonly row: number;
  readonly code: string;
  readonly message: string;
}
