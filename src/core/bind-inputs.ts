import { unbindable } from './binding-table.ts';
import { type FeatureNames, isList } from './choose-features.ts';
import type { ElementType } from './columns.ts';
import { Failure } from './errors.ts';
import { ambiguousColumn, findColumn, matchingColumns } from './find-column.ts';
import { listType } from './list-type.ts';
import { nearest } from './nearest.ts';
import { type InputBinding, type ModelSignature, shapeText, type TensorSpec } from './signature.ts';
import type { SourceColumn } from './snapshot.ts';

export interface BindInputsRequest {
  /** Columns of the input. */
  readonly columns: readonly SourceColumn[];
}

/**
 * Gives each input of the model its columns:
 *
 * 1. `features` is a list, and the model has one input: all of them packed in this order. Several inputs: each takes the
 *    feature of its name.
 * 2. `features` names the columns of each input; one that is not named takes the column of its name.
 * 3. null: each model input takes the column of its name.
 *
 * A column of lists (numbers or truth values) fills an input alone: [N, K], or [N, A, B, ...] from nested lists or from flat ones,
 * row-major. Columns of single values fill [N, A, B, ...] row-major, too, where A, B, ... are fixed.
 */
export function bindInputs(
  signature: ModelSignature,
  features: FeatureNames | null,
  { columns }: BindInputsRequest,
): InputBinding[] {
  const { inputs } = signature;
  if (inputs.length === 0) throw unbindable(signature, columns, 'The model has no inputs');
  const bound = bindAll(signature, features, columns);
  requireEqualNames(signature, bound, columns);
  return bound;
}

function bindAll(
  signature: ModelSignature,
  features: FeatureNames | null,
  columns: readonly SourceColumn[],
): InputBinding[] {
  const { inputs } = signature;
  if (features === null) return inputs.map((input) => bindByName(signature, input, columns));
  if (!isList(features)) return bindMapping(signature, features, columns);
  const chosen = chooseColumns(features, columns, 'input.features');
  const [only, ...others] = inputs;
  if (only !== undefined && others.length === 0) return [bindInput(signature, only, chosen, columns)];
  return bindEachFeature(signature, chosen, columns);
}

function chooseColumns(
  names: readonly string[],
  columns: readonly SourceColumn[],
  field: string,
): SourceColumn[] {
  const chosen = names.map((name) => findColumn(name, columns, field));
  const twice = chosen.find((column, at) => chosen.indexOf(column) !== at);
  if (twice !== undefined)
    throw new Failure('SPEC_INVALID', `${field} names the column '${twice.name}' twice.`, {
      place: { field },
    });
  return chosen;
}

function bindMapping(
  signature: ModelSignature,
  features: Readonly<Record<string, readonly string[]>>,
  columns: readonly SourceColumn[],
): InputBinding[] {
  const names = signature.inputs.map(({ name }) => name);
  const unknown = Object.keys(features).find((name) => !names.includes(name));
  if (unknown !== undefined) {
    const near = nearest(unknown, names);
    const meant = near === undefined ? '' : `; did you mean '${near}'?`;
    throw unbindable(
      signature,
      columns,
      `input.features names the input '${unknown}', which the model does not have${meant}`,
    );
  }
  return signature.inputs.map((input) => {
    if (!Object.hasOwn(features, input.name)) return bindByName(signature, input, columns);
    const field = `input.features.${input.name}`;
    return bindInput(signature, input, chooseColumns(features[input.name] ?? [], columns, field), columns);
  });
}

function bindEachFeature(
  signature: ModelSignature,
  chosen: readonly SourceColumn[],
  all: readonly SourceColumn[],
): InputBinding[] {
  const bound = signature.inputs.map((input) => {
    const [column] = matchingColumns(input.name, chosen);
    if (column !== undefined && (takesOne(input, true) || listType(column.type) !== null))
      return bindInput(signature, input, [column], all);
    const why = takesOne(input, true)
      ? `no feature has the name of the input '${input.name}'`
      : `the input '${input.name}' takes several columns`;
    throw unbindable(
      signature,
      all,
      `With several inputs, each takes the one feature of its name, but ${why}`,
      'Name the columns of each input: features: { input: [column, ...], ... }.',
    );
  });
  const used = new Set(bound.map((input) => input.columns[0]));
  const spare = chosen.find((column) => !used.has(column.name));
  if (spare !== undefined)
    throw unbindable(signature, all, `No input of the model has the name of the feature '${spare.name}'`);
  return bound;
}

function bindByName(
  signature: ModelSignature,
  input: TensorSpec,
  columns: readonly SourceColumn[],
): InputBinding {
  const [column, second] = matchingColumns(input.name, columns);
  const isListColumn = column !== undefined && listType(column.type) !== null;
  if (!takesOne(input, false) && !isListColumn) {
    throw unbindable(
      signature,
      columns,
      `The input '${input.name}' takes several columns, and their order is not known`,
    );
  }
  if (column === undefined)
    throw unbindable(signature, columns, `No column has the name of the input '${input.name}'`);
  if (second !== undefined) throw ambiguousColumn(input.name, [column, second]);
  return bindInput(signature, input, [column], columns);
}

/** A free width is one column only where the user has named the column for it. */
function takesOne({ shape }: TensorSpec, freeWidth: boolean): boolean {
  return shape.slice(1).every((dim) => dim === 1 || (freeWidth && typeof dim !== 'number'));
}

function bindInput(
  signature: ModelSignature,
  input: TensorSpec,
  chosen: readonly SourceColumn[],
  all: readonly SourceColumn[],
): InputBinding {
  const [first] = chosen;
  if (first !== undefined && chosen.length === 1 && listType(first.type) !== null)
    return bindList(input, first);
  for (const column of chosen) {
    if (listType(column.type) !== null)
      throw cannotFeed(input, column, 'A column of lists fills an input of the model alone.');
    if (!fits(column.type, input.type)) throw cannotFeed(input, column);
  }
  requireWidth(signature, input, chosen.length, all);
  return {
    input: input.name,
    type: input.type,
    columns: chosen.map((column) => column.name),
    rank: input.shape.length,
  };
}

function requireWidth(
  signature: ModelSignature,
  { name, shape }: TensorSpec,
  count: number,
  all: readonly SourceColumn[],
): void {
  const inner = shape.slice(1);
  const free = inner.some((dim) => typeof dim !== 'number');
  if (free && inner.length > 1)
    throw unbindable(
      signature,
      all,
      `The input '${name}' ${shapeText(shape)} has a free dimension beside others, which only a column of lists can fill`,
    );
  const width = inner.reduce<number>((product, dim) => product * Number(dim), 1);
  if (count > 0 && (free || width === count)) return;
  const named = `${count} column${count === 1 ? ' is' : 's are'} named for it`;
  throw unbindable(
    signature,
    all,
    `The input '${name}' takes ${free ? 'at least 1 column' : `${width} column${width === 1 ? '' : 's'}`}, but ${named}`,
  );
}

function bindList(input: TensorSpec, column: SourceColumn): InputBinding {
  const { element, depth } = listType(column.type) as { element: string; depth: number };
  const dims = input.shape.slice(1).map((dim) => (typeof dim === 'number' ? dim : null));
  if (input.type === 'string' || !fits(element, input.type)) throw cannotFeed(input, column);
  if (dims.length === 0) throw cannotFeed(input, column, 'The input takes one value for each record.');
  if (depth !== 1 && depth !== dims.length) {
    const levels = dims.length === 1 ? 'flat lists' : `lists nested ${dims.length} deep, or flat ones`;
    throw cannotFeed(input, column, `The input takes ${levels}.`);
  }
  if (dims.filter((dim) => dim === null).length > 1) {
    throw new Failure(
      'MODEL_UNSUPPORTED',
      `The model's input '${input.name}' ${shapeText(input.shape)} leaves more than one dimension of a record free.`,
      {
        place: { field: input.name },
        next: 'Export the model with at most one free dimension beside the first.',
      },
    );
  }
  return {
    input: input.name,
    type: input.type,
    columns: [column.name],
    rank: input.shape.length,
    list: dims,
  };
}

const WHOLE = /^U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)$/;
const FRACTIONAL = /^(FLOAT|DOUBLE|DECIMAL\(\d+,\d+\))$/;
const FLOATS: ReadonlySet<ElementType> = new Set(['float16', 'float32', 'float64']);

/** Whether each value fits is checked when it is read; here, whether the kinds agree. */
function fits(columnType: string, type: ElementType): boolean {
  if (columnType === 'VARCHAR') return type === 'string';
  if (type === 'string') return false;
  if (columnType === 'BOOLEAN') return true;
  if (WHOLE.test(columnType)) return type !== 'bool';
  return FRACTIONAL.test(columnType) && FLOATS.has(type);
}

function cannotFeed(input: TensorSpec, column: SourceColumn, why?: string): Failure {
  return new Failure(
    'COLUMN_TYPE',
    `Column '${column.name}' is ${column.type}${column.typeReason === undefined ? '' : ` (because of ${column.typeReason})`}, which cannot feed the model's input '${input.name}' of ${input.type} ${shapeText(input.shape)}.${why === undefined ? '' : ` ${why}`}`,
    { place: { field: column.name }, next: whatToDo(column, input.type) },
  );
}

function whatToDo({ name, type, typeReason }: SourceColumn, wanted: ElementType): string {
  if (typeReason !== undefined)
    return `Declare input.types: {${name}: DOUBLE}, and such lines are rejected; or say what is null with input.null.`;
  if (/^(DATE|TIME)/.test(type))
    return `A time is no number: make one of it in the input as in training, such as epoch(${name}) or date_diff('day', ${name}, ...).`;
  if (type === 'VARCHAR')
    return `The model wants ${wanted}: cast the text in the input, or name another column.`;
  if (wanted === 'string')
    return `The model wants text: cast the column to VARCHAR in the input, as in training.`;
  return 'Cast the column in the input, or name another one in input.features.';
}

/** Free dimensions of one name are of one size; the name of the records' dimension is theirs alone. */
function requireEqualNames(
  { inputs }: ModelSignature,
  bound: readonly InputBinding[],
  columns: readonly SourceColumn[],
): void {
  const records = new Set(inputs.map(({ shape }) => shape[0]));
  const widths = new Map<string, { input: string; width: number }>();
  for (const [at, { name, shape }] of inputs.entries()) {
    for (const dim of shape.slice(1)) {
      if (typeof dim !== 'string') continue;
      if (records.has(dim))
        throw new Failure(
          'MODEL_UNSUPPORTED',
          `The model's input '${name}' ${shapeText(shape)} is as wide as there are records in a call.`,
          {
            place: { field: name },
            next: 'Export the model with inputs whose records do not depend on each other.',
          },
        );
      const { columns: own, list } = bound[at] as InputBinding;
      if (list !== undefined) continue;
      const before = widths.get(dim);
      if (before !== undefined && before.width !== own.length)
        throw unbindable(
          { inputs, outputs: [] },
          columns,
          `The inputs '${before.input}' and '${name}' must get equally many columns (${dim}), but get ${before.width} and ${own.length}`,
        );
      widths.set(dim, { input: name, width: own.length });
    }
  }
}
