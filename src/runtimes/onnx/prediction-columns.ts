import type { Column, NumericValues, Values } from '../../core/columns.ts';
import { Failure } from '../../core/errors.ts';
import { type OutputBinding, shapeText, type TensorSpec } from '../../core/signature.ts';

/** A tensor as it came out of the model. */
export interface OutputTensor {
  readonly data: Values;
  readonly dims: readonly number[];
}

/**
 * One output as a column of `rows` values. A list column and a scalar share the tensor's memory; an element of a [N, K]
 * output is copied out; what has more dimensions is one list for each record. Fails with PREDICTION_COUNT when the first
 * dimension is not `rows`, and with MODEL_UNSUPPORTED when the model gives another shape than it `declared`, or as many
 * answers as it declared whatever it is asked.
 */
export function predictionColumn(
  binding: OutputBinding,
  tensor: OutputTensor,
  rows: number,
  declared: TensorSpec['shape'] = [],
): Column {
  const { dims, data } = tensor;
  const answers = dims.length === 0 ? 1 : (dims[0] as number);
  if (answers !== rows && answers === declared[0])
    throw notAsDeclared(
      binding,
      `${shapeText(declared)} gives ${answers} answers to ${rows} records: it does not go by records`,
    );
  if (answers !== rows) {
    throw new Failure(
      'PREDICTION_COUNT',
      `The model gave ${answers} answers in '${binding.output}' for ${rows} records.`,
      {
        place: { field: binding.output },
      },
    );
  }
  const width = rows === 0 ? 0 : data.length / rows;
  const { column: name, type } = binding;
  if (binding.element !== undefined) {
    if (binding.element >= width)
      throw notAsDeclared(
        binding,
        `gave ${width} values for each record, so there is no [${binding.element}]`,
      );
    return { name, type, values: everyNth(data, width, binding.element, rows) };
  }
  if (binding.shape === 'list') {
    if (dims.length !== declared.length)
      throw notAsDeclared(
        binding,
        `gave a tensor [${dims.join(', ')}], where it declares ${shapeText(declared)}`,
      );
    return { name, type, values: data, offsets: evenOffsets(rows, width) };
  }
  if (width !== 1)
    throw notAsDeclared(binding, `gave ${width} values for each record, where it declares one`);
  return { name, type, values: data };
}

function everyNth(data: Values, width: number, element: number, rows: number): Values {
  if (Array.isArray(data))
    return Array.from({ length: rows }, (_, row) => data[row * width + element] as string);
  const picked = new (data.constructor as new (length: number) => NumericValues)(rows);
  for (let row = 0, at = element; row < rows; row++, at += width) picked[row] = data[at] as never;
  return picked;
}

function evenOffsets(rows: number, width: number): Uint32Array {
  const offsets = new Uint32Array(rows + 1);
  for (let row = 1; row <= rows; row++) offsets[row] = row * width;
  return offsets;
}

function notAsDeclared(binding: OutputBinding, what: string): Failure {
  return new Failure('MODEL_UNSUPPORTED', `The output '${binding.output}' of the model ${what}.`, {
    place: { field: binding.output },
  });
}
