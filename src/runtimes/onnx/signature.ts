import type { ElementType } from '../../core/columns.ts';
import { Failure } from '../../core/errors.ts';
import type { ModelSignature, OutputSpec, TensorSpec } from '../../core/signature.ts';
import { DATA_TYPES, type OnnxModel, type ValueInfo, type ValueType } from './onnx-model.ts';

/**
 * The signature of a model as our callers see it, after `rewriteGraph`: a ZipMap's output is the tensor [N, K] of float32
 * behind it, with its labels, and an output of float16 is one of float32. Fails with MODEL_UNSUPPORTED when an input, or every output, has a type that no column
 * can be; single outputs of such types are listed in `unusable`.
 */
export function modelSignature(path: string, model: OnnxModel): ModelSignature {
  const inputs = model.inputs.map((input): TensorSpec => {
    const spec = tensorSpec(input);
    if (spec === null) throw unsupported(path, `input '${input.name}'`, input.type);
    return spec;
  });
  const outputs: OutputSpec[] = [];
  const unusable: { name: string; type: string }[] = [];
  for (const output of model.outputs) {
    const zipMap = model.zipMaps.get(output.name);
    if (zipMap !== undefined) {
      outputs.push({
        name: output.name,
        type: 'float32',
        shape: [null, zipMap.labels.length],
        labels: zipMap.labels,
      });
      continue;
    }
    const spec = tensorSpec(output);
    if (spec === null) unusable.push({ name: output.name, type: typeText(output.type) });
    else outputs.push(spec.type === 'float16' ? { ...spec, type: 'float32' } : spec);
  }
  const [first] = model.outputs;
  if (outputs.length === 0 && first !== undefined)
    throw unsupported(path, `output '${first.name}'`, first.type);
  return unusable.length === 0 ? { inputs, outputs } : { inputs, outputs, unusable };
}

/** ONNX's names for the element types we know (TensorProto.DataType), by number. */
const ELEMENT_OF: Readonly<Record<number, ElementType>> = {
  1: 'float32',
  2: 'uint8',
  3: 'int8',
  4: 'uint16',
  5: 'int16',
  6: 'int32',
  7: 'int64',
  8: 'string',
  9: 'bool',
  10: 'float16',
  11: 'float64',
  12: 'uint32',
  13: 'uint64',
};

function tensorSpec({ name, type }: ValueInfo): TensorSpec | null {
  if (type.kind !== 'tensor') return null;
  const element = ELEMENT_OF[type.element];
  return element === undefined ? null : { name, type: element, shape: type.shape ?? [] };
}

function typeText(type: ValueType): string {
  return type.kind === 'other' ? type.text : `tensor(${DATA_TYPES[type.element] ?? type.element})`;
}

function unsupported(path: string, what: string, type: ValueType): Failure {
  return new Failure(
    'MODEL_UNSUPPORTED',
    `The ${what} of the model ${path} has the type ${typeText(type)}, which is not supported.`,
    {
      place: { file: path },
      next: 'Export the model with tensors of float, float16, double, bool, string or whole numbers.',
    },
  );
}
