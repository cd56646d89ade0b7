import { z } from 'zod';
import { jobSpecSchema } from './job-spec-schema.ts';
import type { SpecPath } from './spec-document.ts';

/** A key of the schema, as messages and documentation need it. */
export interface SchemaField {
  readonly path: readonly string[];
  readonly is: string;
  readonly description: string;
  readonly required: boolean;
  /** Undefined: it has none. */
  readonly default: unknown;
}

/** All keys, each before its children, in the order of the schema. */
export function schemaFields(): SchemaField[] {
  return fieldsBelow(jobSpecSchema, []);
}

/** What the value at a path, or at the nearest field around it that says so, must be. */
export function expectation(path: SpecPath): { readonly at: SpecPath; readonly is: string } {
  let schema: z.core.$ZodType | undefined = jobSpecSchema;
  let found = { at: [] as SpecPath, is: metaOf(schema).is ?? '' };
  for (const [depth, part] of path.entries()) {
    schema = childOf(schema, part);
    if (schema === undefined) break;
    const { is } = metaOf(schema);
    if (is !== undefined) found = { at: path.slice(0, depth + 1), is };
  }
  return found;
}

export function fieldName(path: SpecPath): string {
  return path
    .map((part, at) => (typeof part === 'number' ? `[${part}]` : at === 0 ? part : `.${part}`))
    .join('');
}

function fieldsBelow(schema: z.core.$ZodType, path: readonly string[]): SchemaField[] {
  const inner = unwrapped(schema).at(-1);
  if (!(inner instanceof z.ZodObject)) return [];
  return Object.entries(inner.shape as Record<string, z.core.$ZodType>).flatMap(([key, child]) => {
    const { is = '', description = '' } = metaOf(child);
    const fallback = unwrapped(child).find((layer) => layer instanceof z.ZodDefault);
    const required = !z.safeParse(child, undefined).success && !(child instanceof z.ZodExactOptional);
    const field = { path: [...path, key], is, description, required, default: fallback?.def.defaultValue };
    return [field, ...fieldsBelow(child, field.path)];
  });
}

function childOf(schema: z.core.$ZodType | undefined, part: string | number): z.core.$ZodType | undefined {
  const inner = schema === undefined ? undefined : unwrapped(schema).at(-1);
  if (inner instanceof z.ZodObject) return (inner.shape as Record<string, z.core.$ZodType>)[part];
  if (inner instanceof z.ZodUnion) {
    const options = inner.options as readonly z.core.$ZodType[];
    return options.map((option) => childOf(option, part)).find((child) => child !== undefined);
  }
  if (inner instanceof z.ZodArray) return typeof part === 'number' ? inner.element : undefined;
  if (inner instanceof z.ZodRecord) return inner.valueType as z.core.$ZodType;
  return undefined;
}

/** The schema, and what its wrappers (optional, default) hold, from the outside in. */
function unwrapped(schema: z.core.$ZodType): z.core.$ZodType[] {
  const layers = [schema];
  for (let layer = schema; isWrapper(layer); ) {
    layer = layer.def.innerType;
    layers.push(layer);
  }
  return layers;
}

function isWrapper(schema: z.core.$ZodType): schema is z.ZodDefault | z.ZodPrefault | z.ZodExactOptional {
  return (
    schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault || schema instanceof z.ZodExactOptional
  );
}

/** What the outermost layer says, filled up with what inner ones say. */
function metaOf(schema: z.core.$ZodType): { is?: string; description?: string } {
  return Object.assign(
    {},
    ...unwrapped(schema)
      .toReversed()
      .map((layer) => z.globalRegistry.get(layer) ?? {}),
  );
}
