import type { ElementType } from './columns.ts';
import { Failure } from './errors.ts';
import type { OutputTransforms } from './output-transforms.ts';
import type { Derivation, ModelSignature, OutputBinding } from './signature.ts';

/** Looks up an output, or `output[label]`; `field` is where it was asked for. */
type FindOutput = (key: string, column: string, field: string) => OutputBinding;

/**
 * The outputs that are published as they are (`plain`), then what `flatten`, `argmax`, `top_k` and `threshold` make, in
 * this order, all of it after `softmax`. Fails with SPEC_INVALID where an output does not fit what is to be made of it.
 */
export function deriveOutputs(
  signature: ModelSignature,
  plain: readonly OutputBinding[],
  transforms: OutputTransforms,
  find: FindOutput,
): OutputBinding[] {
  const softmax = new Set(transforms.softmax ?? []);
  for (const name of softmax) {
    const { type } = requireList(find(name, name, 'output.softmax'), name, 'output.softmax');
    if (!FRACTIONS.has(type)) throw unfit('output.softmax', name, `holds ${type}, and not fractions`);
  }
  const bound = [
    ...plain,
    ...flattened(signature, transforms, find),
    ...bestOfEach(transforms, find),
    ...bestOfSeveral(signature, transforms, find),
    ...limits(transforms, find),
  ].map((each) =>
    softmax.has(each.output) ? { ...each, derived: { give: VALUES, ...each.derived, softmax: true } } : each,
  );
  for (const name of softmax) {
    if (!bound.some(({ output }) => output === name))
      throw unfit('output.softmax', name, 'is not published in any way');
  }
  return bound;
}

const FRACTIONS: ReadonlySet<ElementType> = new Set(['float32', 'float64']);
const VALUES: Derivation['give'] = { kind: 'values' };
/** Columns of one output that `flatten` may give. */
const MAX_CLASSES = 20_000;

function flattened(
  signature: ModelSignature,
  { flatten = {} }: OutputTransforms,
  find: FindOutput,
): OutputBinding[] {
  return Object.entries(flatten).flatMap(([name, prefix]) => {
    const { labels, type } = requireList(find(name, name, 'output.flatten'), name, 'output.flatten');
    const width = labels?.length ?? widthOf(signature, name);
    if (width === null) throw unfit('output.flatten', name, 'does not say how many classes it has');
    if (width > MAX_CLASSES)
      throw unfit('output.flatten', name, `has ${width} classes; at most ${MAX_CLASSES} can be columns`);
    return Array.from({ length: width }, (_, element): OutputBinding => {
      const column = `${prefix}${labels?.[element] ?? element}`;
      if (column === '' || column.includes('\0')) {
        throw unfit(
          'output.flatten',
          name,
          `has the class ${JSON.stringify(String(labels?.[element]))}, which gives no name of a column`,
        );
      }
      return { output: name, column, type, shape: 'scalar', element };
    });
  });
}

function bestOfEach({ argmax = {} }: OutputTransforms, find: FindOutput): OutputBinding[] {
  return Object.entries(argmax).flatMap(([name, { label, score }]) => {
    const scores = requireScores(find(name, name, 'output.argmax'), name, 'output.argmax');
    const give = (of: 'labels' | 'scores'): Derivation => ({ softmax: false, give: { kind: 'argmax', of } });
    return [
      ...(label === undefined
        ? []
        : [{ ...labelsOf(scores, label), shape: 'scalar' as const, derived: give('labels') }]),
      ...(score === undefined
        ? []
        : [{ ...scoresOf(scores, score), shape: 'scalar' as const, derived: give('scores') }]),
    ];
  });
}

function bestOfSeveral(
  signature: ModelSignature,
  { top_k = {} }: OutputTransforms,
  find: FindOutput,
): OutputBinding[] {
  return Object.entries(top_k).flatMap(([name, { k, labels, scores }]) => {
    const list = requireScores(find(name, name, 'output.top_k'), name, 'output.top_k');
    const width = list.labels?.length ?? widthOf(signature, name);
    if (width !== null && k > width)
      throw unfit('output.top_k', name, `has ${width} classes, so there are no best ${k}`);
    const give = (of: 'labels' | 'scores'): Derivation => ({
      softmax: false,
      give: { kind: 'top_k', of, k },
    });
    return [
      ...(labels === undefined
        ? []
        : [{ ...labelsOf(list, labels), shape: 'list' as const, derived: give('labels') }]),
      ...(scores === undefined
        ? []
        : [{ ...scoresOf(list, scores), shape: 'list' as const, derived: give('scores') }]),
    ];
  });
}

function limits({ threshold = {} }: OutputTransforms, find: FindOutput): OutputBinding[] {
  return Object.entries(threshold).map(([column, { output: key, at_least: atLeast }]) => {
    const field = `output.threshold.${column}`;
    const { output, type, shape, element } = find(key, column, field);
    if (shape === 'list') throw unfit(field, key, `is a list; name one of its classes, as ${key}[...]`);
    if (!isNumeric(type)) throw unfit(field, key, `holds ${type}, and not numbers`);
    return {
      output,
      column,
      type: 'bool',
      shape,
      ...(element === undefined ? {} : { element }),
      derived: { softmax: false, give: { kind: 'threshold', atLeast } },
    };
  });
}

/** Classes are published as the model names them: whole numbers as BIGINT, else text; without names, by their number from 0. */
function labelsOf({ output, labels }: OutputBinding, column: string): Omit<OutputBinding, 'shape'> {
  if (labels === undefined) return { output, column, type: 'int64' };
  return {
    output,
    column,
    type: labels.some((label) => typeof label === 'number') ? 'int64' : 'string',
    labels,
  };
}

function scoresOf({ output, type }: OutputBinding, column: string): Omit<OutputBinding, 'shape'> {
  return { output, column, type };
}

function requireScores(found: OutputBinding, name: string, field: string): OutputBinding {
  const list = requireList(found, name, field);
  if (!isNumeric(list.type)) throw unfit(field, name, `holds ${list.type}, and not numbers`);
  return list;
}

function requireList(found: OutputBinding, name: string, field: string): OutputBinding {
  if (found.shape !== 'list') throw unfit(field, name, 'is one value for each record, and not a list');
  return found;
}

function isNumeric(type: ElementType): boolean {
  return type !== 'string' && type !== 'bool';
}

/** Null: the model leaves it open. */
function widthOf({ outputs }: ModelSignature, name: string): number | null {
  const last = outputs.find((output) => output.name === name)?.shape[1];
  return typeof last === 'number' ? last : null;
}

function unfit(field: string, name: string, why: string): Failure {
  return new Failure('SPEC_INVALID', `${field} names '${name}', which ${why}.`, { place: { field } });
}
