import { bindOutputs } from './bind-outputs.ts';
import type { ElementType } from './columns.ts';
import { Failure } from './errors.ts';
import { ambiguousColumn, findColumn, listed, matchingColumns } from './find-column.ts';
import type { OutputTransforms } from './output-transforms.ts';
import {
  type Binding,
  type InputBinding,
  type ModelSignature,
  shapeText,
  type TensorSpec,
} from './signature.ts';
import type { SourceColumn } from './snapshot.ts';

export interface BindRequest {
  /** `input.features`: columns in the order the model was trained with. */
  readonly features?: readonly string[];
  /** What the model's version in the registry says. */
  readonly stored?: { readonly features?: readonly string[] };
  /** Columns of the input. */
  readonly columns: readonly SourceColumn[];
  /** `output.columns`: an output, or `output[label]`, or `output[index]`, to the name of the published column. */
  readonly outputs?: Readonly<Record<string, string>>;
  readonly transforms?: OutputTransforms;
}

/**
 * Settles which columns feed which model input, and which outputs are published under which name. Nothing is guessed:
 *
 * 1. `features` given, or else stored with the model: one model input: all of them packed in this order. Several inputs: each takes the feature of its name.
 * 2. No `features`: each model input takes the column of its name.
 *
 * Anything else is MODEL_BINDING, with inputs and columns side by side. Other failures: COLUMN_MISSING, COLUMN_AMBIGUOUS,
 * COLUMN_TYPE, MODEL_UNSUPPORTED (an input or output that is not one value or one list per record), SPEC_INVALID
 * (`features` or `outputs` name something twice, or an output that is not there).
 *
 * Names of columns count exactly; where none is exact, letter case is ignored.
 */
export function bind(signature: ModelSignature, request: BindRequest): Binding {
  return {
    inputs: bindInputs(signature, request),
    outputs: bindOutputs(signature, request.outputs ?? {}, request.transforms),
  };
}

function bindInputs(
  signature: ModelSignature,
  { features: given, stored, columns }: BindRequest,
): InputBinding[] {
  const features = given ?? stored?.features;
  const { inputs } = signature;
  if (inputs.length === 0) throw unbindable(signature, columns, 'The model has no inputs');
  for (const input of inputs) requireRecords(input);
  if (features === undefined) return bindByName(signature, columns);
  const chosen = features.map((name) => findColumn(name, columns, 'input.features'));
  requireDistinct(chosen.map((column) => column.name));
  const [only, ...others] = inputs;
  if (only !== undefined && others.length === 0) return [bindPacked(signature, only, chosen, columns)];
  return bindEachFeature(signature, chosen, columns);
}

/** The first dimension must be free: a model that takes just so many records cannot be given the last batch. */
function requireRecords({ name, shape }: TensorSpec): void {
  if ((shape.length === 1 || shape.length === 2) && typeof shape[0] !== 'number') return;
  const problem =
    shape.length === 0
      ? 'declares no dimension for the records'
      : typeof shape[0] === 'number'
        ? `takes exactly ${shape[0]} records in a call`
        : `has ${shape.length} dimensions, which columns cannot fill`;
  throw new Failure('MODEL_UNSUPPORTED', `The model's input '${name}' ${shapeText(shape)} ${problem}.`, {
    place: { field: name },
    next: 'Export the model with inputs [N] or [N, F], where N is free.',
  });
}

function bindPacked(
  signature: ModelSignature,
  input: TensorSpec,
  chosen: readonly SourceColumn[],
  all: readonly SourceColumn[],
): InputBinding {
  const width = input.shape.length === 1 ? 1 : input.shape[1];
  if (chosen.length === 0 || (typeof width === 'number' && width !== chosen.length)) {
    const named = `input.features names ${chosen.length} column${chosen.length === 1 ? '' : 's'}`;
    throw unbindable(
      signature,
      all,
      `${named}, but the input '${input.name}' takes ${width ?? 'at least 1'}`,
    );
  }
  return bindInput(input, chosen);
}

function bindEachFeature(
  signature: ModelSignature,
  chosen: readonly SourceColumn[],
  all: readonly SourceColumn[],
): InputBinding[] {
  const bound = signature.inputs.map((input) => {
    const column = takesOne(input, true) ? matchingColumns(input.name, chosen)[0] : undefined;
    if (column === undefined) {
      const why = takesOne(input, true)
        ? `no feature has the name of the input '${input.name}'`
        : `the input '${input.name}' takes several columns`;
      throw unbindable(
        signature,
        all,
        `With several inputs, each takes the one feature of its name, but ${why}`,
      );
    }
    return bindInput(input, [column]);
  });
  const used = new Set(bound.map((input) => input.columns[0]));
  const spare = chosen.find((column) => !used.has(column.name));
  if (spare !== undefined)
    throw unbindable(signature, all, `No input of the model has the name of the feature '${spare.name}'`);
  return bound;
}

function bindByName(signature: ModelSignature, columns: readonly SourceColumn[]): InputBinding[] {
  return signature.inputs.map((input) => {
    if (!takesOne(input, false)) {
      throw unbindable(
        signature,
        columns,
        `The input '${input.name}' takes several columns, and their order is not known`,
      );
    }
    const [column, second] = matchingColumns(input.name, columns);
    if (column === undefined)
      throw unbindable(signature, columns, `No column has the name of the input '${input.name}'`);
    if (second !== undefined) throw ambiguousColumn(input.name, [column, second]);
    return bindInput(input, [column]);
  });
}

/** A free width is one column only where the user has named the column for it. */
function takesOne({ shape }: TensorSpec, freeWidth: boolean): boolean {
  return shape.length === 1 || shape[1] === 1 || (freeWidth && typeof shape[1] !== 'number');
}

function bindInput(input: TensorSpec, columns: readonly SourceColumn[]): InputBinding {
  for (const column of columns) {
    if (!fits(column.type, input.type)) {
      throw new Failure(
        'COLUMN_TYPE',
        `Column '${column.name}' is ${column.type}, which cannot feed the model's input '${input.name}' of ${input.type}.`,
        {
          place: { field: column.name },
        },
      );
    }
  }
  return {
    input: input.name,
    type: input.type,
    columns: columns.map((column) => column.name),
    rank: input.shape.length === 1 ? 1 : 2,
  };
}

const WHOLE = /^U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)$/;
const FRACTIONAL = /^(FLOAT|DOUBLE|DECIMAL\(\d+,\d+\))$/;

/** Whether each value fits is checked when it is read; here, whether the kinds agree. */
function fits(columnType: string, type: ElementType): boolean {
  if (columnType === 'VARCHAR') return type === 'string';
  if (type === 'string') return false;
  if (columnType === 'BOOLEAN') return true;
  if (WHOLE.test(columnType)) return type !== 'bool';
  return FRACTIONAL.test(columnType) && (type === 'float32' || type === 'float64');
}

function requireDistinct(names: readonly string[]): void {
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined)
    throw new Failure('SPEC_INVALID', `input.features names the column '${twice}' twice.`, {
      place: { field: 'input.features' },
    });
}

function unbindable({ inputs }: ModelSignature, columns: readonly SourceColumn[], what: string): Failure {
  const wanted =
    inputs.length === 0
      ? 'none'
      : listed(inputs.map(({ name, type, shape }) => `${name} ${type} ${shapeText(shape)}`));
  const given = columns.length === 0 ? 'none' : listed(columns.map(({ name, type }) => `${name} ${type}`));
  return new Failure('MODEL_BINDING', `${what}. Inputs of the model: ${wanted}. Columns: ${given}.`);
}
