import type * as Ort from 'onnxruntime-node';
import type { ElementType, NumericValues, RecordBatch, Values } from '../../core/columns.ts';
import type { InputBinding } from '../../core/signature.ts';
import { columnPacker } from './column-tensors.ts';
import { roundedToHalf } from './half-precision.ts';
import type { RewrittenModel } from './rewrite-graph.ts';

export type Feeds = Record<string, Ort.Tensor>;

/** Puts one input's tensor into `feeds`; returns the index of the next input's first column. */
export type Feeder = (batch: RecordBatch, at: number, feeds: Feeds) => number;

/** For one input; `model` tells under which name the rewritten graph takes it. */
export function inputFeeder(ort: typeof Ort, input: InputBinding, model: RewrittenModel): Feeder {
  const count = input.columns.length;
  const name = model.inputNames.get(input.input) ?? input.input;
  // The graph casts what it takes as float16.
  const half = input.type === 'float16';
  const tensorOf = (values: Values, dims: readonly number[]): Ort.Tensor =>
    new ort.Tensor(half ? 'float32' : input.type, (half ? roundedToHalf(values) : values) as never, dims);
  const { list } = input;
  if (list !== undefined) {
    return (batch, at, feeds) => {
      const { values, dims } = listTensor(batch, at, input.type, list);
      feeds[name] = tensorOf(values, dims);
      return at + 1;
    };
  }
  if (count === 1) {
    const ones = new Array<number>(input.rank - 1).fill(1);
    return (batch, at, feeds) => {
      const values = columnValues(batch, at, input.type);
      feeds[name] = tensorOf(values, [batch.rows, ...ones]);
      return at + 1;
    };
  }
  const pack = columnPacker(input.type);
  return (batch, at, feeds) => {
    for (let i = 0; i < count; i++) columnValues(batch, at + i, input.type);
    feeds[name] = tensorOf(pack(batch.columns, at, count, batch.rows), [count, batch.rows]);
    return at + count;
  };
}

/** A column that is not what the binding says is the caller's bug. */
function columnValues(batch: RecordBatch, at: number, type: ElementType): Values {
  const column = batch.columns[at];
  if (column?.type !== type || column.values.length !== batch.rows) {
    throw new Error(
      `column ${at} is ${column?.type} of ${column?.values.length} values, not ${type} of ${batch.rows}`,
    );
  }
  return column.values;
}

/** The lists of a column as one tensor; that they are of one length is the reader's promise. */
function listTensor(
  { rows, columns }: RecordBatch,
  at: number,
  type: ElementType,
  list: readonly (number | null)[],
): { values: Values; dims: number[] } {
  const column = columns[at];
  const { offsets, values } = column ?? {};
  if (column?.type !== type || offsets === undefined || values === undefined || offsets.length !== rows + 1)
    throw new Error(`column ${at} is ${column?.type}, not lists of ${type}`);
  const [first = 0, second = 0] = offsets;
  const length = second - first;
  for (let row = 0; row < rows; row += 1) {
    if ((offsets[row + 1] as number) - (offsets[row] as number) !== length)
      throw new Error(`column ${at} has lists of several lengths`);
  }
  const fixed = list.reduce<number>((all, dim) => all * (dim ?? 1), 1);
  const used = (values as NumericValues).subarray(first, first + rows * length);
  return { values: used, dims: [rows, ...list.map((dim) => dim ?? length / fixed)] };
}
