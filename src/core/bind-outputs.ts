import { deriveOutputs } from './bind-transforms.ts';
import { Failure } from './errors.ts';
import { listed } from './find-column.ts';
import type { OutputTransforms } from './output-transforms.ts';
import { type ModelSignature, type OutputBinding, type OutputSpec, shapeText } from './signature.ts';

/**
 * Which outputs of the model are published, and under which column names. `names` (`output.columns`) maps an output, or
 * `output[label]`, or `output[index]` where the model names no labels, to a column; when it is empty, all outputs are
 * published under their own names, unless `transforms` say what is. Failures: SPEC_INVALID, COLUMN_AMBIGUOUS,
 * MODEL_UNSUPPORTED.
 */
export function bindOutputs(
  signature: ModelSignature,
  names: Readonly<Record<string, string>>,
  transforms: OutputTransforms = {},
): OutputBinding[] {
  const chosen = Object.entries(names);
  const { flatten, argmax, top_k, threshold } = transforms;
  const plain =
    chosen.length > 0
      ? chosen.map(([key, column]) => findOutput(signature, key, column, 'output.columns'))
      : [flatten, argmax, top_k, threshold].every((each) => each === undefined)
        ? allOutputs(signature)
        : [];
  const bound = deriveOutputs(signature, plain, transforms, (key, column, field) =>
    findOutput(signature, key, column, field),
  );
  const seen = new Set<string>();
  for (const { column } of bound) {
    const folded = column.toLowerCase();
    if (seen.has(folded))
      throw new Failure('COLUMN_AMBIGUOUS', `Two outputs of the model would be published as '${column}'.`, {
        place: { field: 'output' },
        next: 'Name them apart in output.columns, flatten (by a prefix), argmax, top_k or threshold.',
      });
    seen.add(folded);
  }
  return bound;
}

function allOutputs(signature: ModelSignature): OutputBinding[] {
  const [unusable] = signature.unusable ?? [];
  if (unusable !== undefined) {
    throw new Failure(
      'MODEL_UNSUPPORTED',
      `The model's output '${unusable.name}' is a ${unusable.type}, which no column can hold.`,
      {
        place: { field: unusable.name },
        next: `Name the outputs to publish in output.columns: ${outputList(signature)}.`,
      },
    );
  }
  return signature.outputs.map((output) => wholeOutput(signature, output, output.name));
}

/** `field`: where the key was written, for messages. */
function findOutput(signature: ModelSignature, key: string, column: string, field: string): OutputBinding {
  const whole = signature.outputs.find((output) => output.name === key);
  if (whole !== undefined) return wholeOutput(signature, whole, column);
  const [, name, label] = /^(.*)\[(.*)\]$/s.exec(key) ?? [];
  const output = signature.outputs.find((candidate) => candidate.name === name);
  const element = output === undefined || label === undefined ? -1 : elementOf(output, label);
  if (output === undefined || element < 0) {
    throw new Failure(
      'SPEC_INVALID',
      `${field} names '${key}', which the model does not give. It gives: ${outputList(signature)}.`,
      {
        place: { field: `${field}.${key}` },
      },
    );
  }
  const labels = output.labels === undefined ? {} : { labels: output.labels };
  return { output: output.name, column, type: output.type, shape: 'scalar', element, ...labels };
}

/** -1: there is no such element. */
function elementOf({ shape, labels }: OutputSpec, label: string): number {
  if (labels !== undefined) return labels.findIndex((candidate) => String(candidate) === label);
  const width = shape.length === 2 ? shape[1] : undefined;
  return typeof width === 'number' && /^\d{1,9}$/.test(label) && Number(label) < width ? Number(label) : -1;
}

function wholeOutput(signature: ModelSignature, output: OutputSpec, column: string): OutputBinding {
  const { name, type, shape, labels } = output;
  const inner = shape.slice(1);
  const free = inner.filter((dim) => typeof dim !== 'number').length;
  if (shape.length === 0 || free > 1) {
    const problem =
      shape.length === 0
        ? 'declares no dimension for the records'
        : 'leaves more than one dimension of a record free, so a list of its values could not be read';
    throw new Failure('MODEL_UNSUPPORTED', `The model's output '${name}' ${shapeText(shape)} ${problem}.`, {
      place: { field: name },
      next: `Export the model with outputs [N], [N, K] or [N, A, B, ...], or name others in output.columns. It has: ${outputList(signature)}.`,
    });
  }
  if (labels !== undefined) return { output: name, column, type, shape: 'list', labels };
  return { output: name, column, type, shape: inner.every((dim) => dim === 1) ? 'scalar' : 'list' };
}

function outputList({ outputs }: ModelSignature): string {
  return outputs
    .map(({ name, labels, shape }) => {
      const of =
        shape.length === 2 && typeof shape[1] === 'number' && shape[1] > 1
          ? ` (and ${name}[0] to ${name}[${shape[1] - 1}])`
          : '';
      return labels === undefined
        ? `${name}${of}`
        : `${name} (and ${listed(labels.map((label) => `${name}[${label}]`))})`;
    })
    .join(', ');
}
