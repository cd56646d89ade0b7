import { unbindable } from './binding-table.ts';
import { Failure } from './errors.ts';
import { listed } from './find-column.ts';
import { type ModelSignature, shapeText } from './signature.ts';
import type { SourceColumn } from './snapshot.ts';

/** Columns for a model's one input, or one for each of its inputs by their names; or the columns of each input. */
export type FeatureNames = readonly string[] | Readonly<Record<string, readonly string[]>>;

export interface FeatureRequest {
  readonly features?: FeatureNames | 'auto';
  readonly stored?: { readonly features?: FeatureNames };
  readonly columns: readonly SourceColumn[];
  /** The key column, which `auto` leaves out. */
  readonly key?: string;
}

/**
 * Which names feed the model; null: each input takes the column of its own name.
 *
 * - The specification's names count. Where the model's version has names stored, too, and they are the same ones in another
 *   order, one of the two orders gives wrong scores and nobody can tell which: MODEL_BINDING. Where they are other names,
 *   as for a table with other headings, there is a warning.
 * - Without names in the specification, or with `auto`, the stored ones count.
 * - `auto` without stored names: for a model with one input of fixed width, the input's columns without its key in
 *   their order, if they are exactly as many; with several inputs, as if nothing was said.
 */
export function chooseFeatures(
  signature: ModelSignature,
  request: FeatureRequest,
): { features: FeatureNames | null; warnings: readonly string[] } {
  const { features } = request;
  const stored = request.stored?.features;
  if (stored === undefined) {
    return { features: features === 'auto' ? inOrder(signature, request) : (features ?? null), warnings: [] };
  }
  if (features === undefined || features === 'auto') return { features: stored, warnings: [] };
  const [given, kept] = [entriesOf(features, signature), entriesOf(stored, signature)];
  if (JSON.stringify(given) === JSON.stringify(kept)) return { features, warnings: [] };
  const sorted = (entries: readonly string[]): string => JSON.stringify([...entries].map(columnOf).sort());
  if (sorted(given) === sorted(kept)) {
    throw new Failure(
      'MODEL_BINDING',
      `input.features has the columns of the model's version in another order: ${listed(given.map(columnOf))}; the version has: ${listed(kept.map(columnOf))}.`,
      {
        place: { field: 'input.features' },
        next: "Leave input.features out to take the version's order, or store the right order with a new version.",
      },
    );
  }
  const warning = `input.features differs from the columns stored with the model's version (${listed(kept.map(columnOf))}); input.features counts.`;
  return { features, warnings: [warning] };
}

/** `input, column` of each feature, in lower case; the lists of both forms are then compared alike. */
function entriesOf(features: FeatureNames, { inputs }: ModelSignature): string[] {
  const [only, ...others] = inputs;
  const pairs = isList(features)
    ? features.map((column) => [only !== undefined && others.length === 0 ? only.name : column, column])
    : Object.entries(features).flatMap(([input, columns]) => columns.map((column) => [input, column]));
  return pairs.map((pair) => JSON.stringify(pair.map((name) => name.toLowerCase())));
}

function columnOf(entry: string): string {
  return (JSON.parse(entry) as [string, string])[1];
}

export function isList(features: FeatureNames): features is readonly string[] {
  return Array.isArray(features);
}

function inOrder(signature: ModelSignature, { columns, key }: FeatureRequest): readonly string[] | null {
  const [only, ...others] = signature.inputs;
  if (only === undefined || others.length > 0) return null;
  const names = columns.map(({ name }) => name).filter((name) => name.toLowerCase() !== key?.toLowerCase());
  const inner = only.shape.slice(1);
  const free = inner.some((dim) => typeof dim !== 'number');
  const width = inner.reduce<number>((all, dim) => all * Number(dim), 1);
  if (!free && names.length === width) return names;
  const without = key === undefined ? '' : ` without its key '${key}'`;
  const takes = free
    ? `takes any number of columns (${shapeText(only.shape)}), so their count proves nothing`
    : `takes ${width}`;
  throw unbindable(
    signature,
    columns,
    `input.features is auto: the input has ${names.length} column${names.length === 1 ? '' : 's'}${without}, but the model's input '${only.name}' ${takes}`,
    'Name the columns in input.features, or the only ones to use in input.columns.',
  );
}
