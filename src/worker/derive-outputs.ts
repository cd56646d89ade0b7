import { type Column, ELEMENT_ARRAYS, type ElementType, type Values } from '../core/columns.ts';
import { Failure } from '../core/errors.ts';
import type { Binding, ModelSignature, OutputBinding } from '../core/signature.ts';
import type { OutputColumn } from '../data/engine.ts';
import { best, softmax, topK } from './rank-scores.ts';

export interface OutputPlan {
  /** What the model is asked for: each output as it is, however many columns are made of it. */
  readonly fetched: readonly OutputBinding[];
  /** The columns to publish, as `storedColumns` describes them, from the columns of `fetched`, which stay as they are. */
  derive(columns: readonly Column[], rows: number): readonly Column[];
}

/**
 * How the published columns come about from the model's outputs (docs/outputs.md). `derive` fails with MODEL_UNSUPPORTED
 * when an output has no scores for a record, or more than it has labels.
 */
export function outputPlan({ outputs }: Binding, signature: ModelSignature): OutputPlan {
  if (outputs.every(({ derived }) => derived === undefined))
    return { fetched: outputs, derive: (columns) => columns };
  const fetched: OutputBinding[] = [];
  const sources = outputs.map((output) => {
    const source = sourceOf(output, signature);
    const known = output.derived === undefined ? -1 : fetched.findIndex((each) => isSame(each, source));
    return known >= 0 ? known : fetched.push(source) - 1;
  });
  return {
    fetched,
    derive(columns, rows) {
      const steps = stepsOnce(columns, rows);
      return outputs.map((output, index) => published(output, sources[index] as number, steps, rows));
    },
  };
}

/** What the part writer is to make of the columns of `derive`. */
export function storedColumns({ outputs }: Binding): OutputColumn[] {
  return outputs.map((output) => {
    const { column: name, type, shape } = output;
    const labels = textLabels(output);
    return labels === null ? { name, type, shape } : { name, type: 'int32', shape, labels };
  });
}

/** Texts that stand for classes cross over as their places in the list of labels. Null: the column holds no such. */
function textLabels({ derived, type, labels }: OutputBinding): readonly string[] | null {
  const ranked = derived?.give.kind === 'argmax' || derived?.give.kind === 'top_k';
  return ranked && type === 'string' && labels !== undefined ? labels.map(String) : null;
}

/** The output as the model gives it: whole where it has to be compared with its neighbours. */
function sourceOf(output: OutputBinding, { outputs }: ModelSignature): OutputBinding {
  const { derived, element } = output;
  if (derived === undefined) return output;
  const raw = outputs.find(({ name }) => name === output.output);
  if (raw === undefined) throw new Error(`the model has no output ${output.output}`);
  const source = { output: raw.name, column: raw.name, type: raw.type };
  if (derived.softmax || derived.give.kind !== 'threshold') return { ...source, shape: 'list' };
  return { ...source, shape: 'scalar', ...(element === undefined ? {} : { element }) };
}

function isSame(a: OutputBinding, b: OutputBinding): boolean {
  return a.output === b.output && a.column === b.column && a.shape === b.shape && a.element === b.element;
}

/** Positions, for each record one after the other, in its own list. */
interface Ranking {
  readonly positions: Int32Array;
  readonly offsets: Uint32Array;
}

/** What several columns are made of is made once for a batch. */
interface Steps {
  scores(source: number, probabilities: boolean): Column;
  ranking(source: number, probabilities: boolean, k: number | null): Ranking;
}

function stepsOnce(columns: readonly Column[], rows: number): Steps {
  const made = new Map<string, unknown>();
  const once = <Value>(key: string, make: () => Value): Value => {
    if (!made.has(key)) made.set(key, make());
    return made.get(key) as Value;
  };
  const scores: Steps['scores'] = (source, probabilities) => {
    const column = columns[source] as Column;
    return probabilities ? once(`${source}`, () => softmax(column, rows)) : column;
  };
  return {
    scores,
    ranking: (source, probabilities, k) =>
      once(`${source} ${probabilities} ${k}`, () => {
        const column = scores(source, probabilities);
        return k === null ? best(column, rows) : topK(column, rows, k);
      }),
  };
}

function published(output: OutputBinding, source: number, steps: Steps, rows: number): Column {
  const { column: name, type, derived, element } = output;
  const probabilities = derived?.softmax ?? false;
  const scores = steps.scores(source, probabilities);
  const give = derived?.give ?? { kind: 'values' };
  // Without softmax, an element was taken out by the session.
  const inside = probabilities ? element : undefined;
  switch (give.kind) {
    case 'values':
      return { ...elementOf(scores, inside, rows, output), name };
    case 'threshold':
      return { name, type, values: reached(elementOf(scores, inside, rows, output), give.atLeast) };
    case 'argmax':
    case 'top_k': {
      const ranking = steps.ranking(source, probabilities, give.kind === 'top_k' ? give.k : null);
      const values =
        give.of === 'labels' ? labelsAt(ranking.positions, output) : scoresAt(ranking, scores, rows);
      const stored = textLabels(output) === null ? type : 'int32';
      return { name, type: stored, values, ...(give.kind === 'top_k' ? { offsets: ranking.offsets } : {}) };
    }
  }
}

function elementOf(scores: Column, element: number | undefined, rows: number, output: OutputBinding): Column {
  const { offsets, type } = scores;
  if (element === undefined || offsets === undefined) return scores;
  const values = newValues(type, rows);
  for (let row = 0; row < rows; row += 1) {
    const at = (offsets[row] as number) + element;
    if (at >= (offsets[row + 1] as number))
      throw new Failure(
        'MODEL_UNSUPPORTED',
        `The output '${output.output}' of the model gave no [${element}].`,
        {
          place: { field: output.output },
        },
      );
    values[row] = scores.values[at] as never;
  }
  return { name: scores.name, type, values };
}

/** The limit is rounded as the scores are: 0.7 is reached by a float32 that prints as 0.7. NaN reaches nothing. */
function reached({ type, values }: Column, atLeast: number): Uint8Array {
  const limit = type === 'float32' ? Math.fround(atLeast) : atLeast;
  const flags = new Uint8Array(values.length);
  for (let row = 0; row < flags.length; row += 1) flags[row] = (values[row] as number) >= limit ? 1 : 0;
  return flags;
}

function labelsAt(positions: Int32Array, { output, type, labels }: OutputBinding): Values {
  if (labels === undefined) return BigInt64Array.from(positions, BigInt);
  const tooFar = positions.find((position) => position >= labels.length);
  if (tooFar !== undefined) {
    throw new Failure(
      'MODEL_UNSUPPORTED',
      `The output '${output}' of the model has ${labels.length} classes, and gave a score for a class ${tooFar}.`,
      { place: { field: output } },
    );
  }
  if (type === 'string') return positions.map((position) => position + 1);
  const numbers = BigInt64Array.from(labels, BigInt);
  const values = new BigInt64Array(positions.length);
  for (let at = 0; at < values.length; at += 1) values[at] = numbers[positions[at] as number] as bigint;
  return values;
}

function scoresAt({ positions, offsets }: Ranking, scores: Column, rows: number): Values {
  const starts = scores.offsets as Uint32Array;
  const values = newValues(scores.type, positions.length);
  for (let row = 0; row < rows; row += 1) {
    const start = starts[row] as number;
    const end = offsets[row + 1] as number;
    for (let at = offsets[row] as number; at < end; at += 1)
      values[at] = scores.values[start + (positions[at] as number)] as never;
  }
  return values;
}

function newValues(type: ElementType, length: number): Exclude<Values, string[]> {
  if (type === 'string') throw new Error('texts are no scores');
  return new ELEMENT_ARRAYS[type](length);
}
