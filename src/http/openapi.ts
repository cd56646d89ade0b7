import { z } from 'zod';
import { problem } from './answers.ts';
import type { Route } from './route.ts';

/** A JSON schema, or a part of an OpenAPI document. */
export type Json = { readonly [key: string]: unknown };

export interface OpenApiDocument extends Json {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Json>>>>;
}

/** The OpenAPI 3.1 document of the routes, from the very schemas that read requests and type answers. */
export function openApiDocument(routes: readonly Route[], version: string): OpenApiDocument {
  const paths: Record<string, Record<string, Json>> = {};
  for (const each of routes) {
    const operations = paths[each.path] ?? {};
    paths[each.path] = operations;
    operations[each.method.toLowerCase()] = operation(each);
  }
  return withComponents({
    openapi: '3.1.0',
    info: {
      title: 'Batchwright',
      version,
      description: 'Batch inference with jobs: every input row is scored or rejected with a reason, once.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    paths,
    components: {
      securitySchemes: { key: { type: 'http', scheme: 'bearer', description: 'An API key, `bw_...`.' } },
    },
  });
}

function operation(route: Route): Json {
  const { id, tag, summary, description = '', access } = route;
  return {
    operationId: id,
    tags: [tag],
    summary,
    ...(access === 'public'
      ? { ...(description === '' ? {} : { description }), security: [] }
      : { description: `${description} Role: ${access}.`.trim(), security: [{ key: [] }] }),
    parameters: [
      ...parameters('path', route.params),
      ...parameters('query', route.query),
      ...parameters('header', route.headers),
    ],
    ...(route.body === null ? {} : { requestBody: requestBody(route.body) }),
    responses: {
      ...Object.fromEntries(
        Object.entries(route.answers).map(([status, { description: what, schema, types }]) => [
          status,
          { description: what, ...contentOf(schema, types) },
        ]),
      ),
      default: {
        description: 'What went wrong; `code` is one of the error codes.',
        content: { 'application/problem+json': { schema: jsonSchema(problem, 'output') } },
      },
    },
  };
}

function parameters(place: 'path' | 'query' | 'header', schema: z.ZodObject | null): Json[] {
  if (schema === null) return [];
  const { properties = {}, required = [] } = jsonSchema(schema, 'input') as {
    properties?: Record<string, Json>;
    required?: string[];
  };
  return Object.entries(properties).map(([name, { description, ...of }]) => ({
    name,
    in: place,
    required: place === 'path' || required.includes(name),
    ...(description === undefined ? {} : { description }),
    schema: of,
  }));
}

function requestBody(body: NonNullable<Route['body']>): Json {
  if (body === 'multipart') {
    const file = { type: 'string', contentMediaType: 'application/octet-stream' };
    return {
      required: true,
      content: {
        'multipart/form-data': {
          schema: {
            type: 'object',
            properties: { metadata: { type: 'string' }, model: file, data: { type: 'array', items: file } },
            required: ['model'],
          },
        },
      },
    };
  }
  return {
    required: !body.schema.safeParse(undefined).success,
    content: { 'application/json': { schema: jsonSchema(body.schema, 'input') } },
  };
}

function contentOf(schema: z.ZodType | undefined, types: readonly string[] | undefined): Json {
  if (types !== undefined) return { content: Object.fromEntries(types.map((type) => [type, {}])) };
  if (schema === undefined) return {};
  return { content: { 'application/json': { schema: jsonSchema(schema, 'output') } } };
}

/** In the document, shared parts stand among the components. */
function withComponents(document: Json): OpenApiDocument {
  const schemas: Record<string, unknown> = {};
  const lift = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(lift);
    if (typeof value !== 'object' || value === null) return value;
    const { $defs = {}, ...rest } = value as { $defs?: Json };
    for (const [name, schema] of Object.entries($defs)) schemas[name] = lift(schema);
    return Object.fromEntries(
      Object.entries(rest).map(([key, member]) => [
        key,
        key === '$ref' ? String(member).replace('#/$defs/', '#/components/schemas/') : lift(member),
      ]),
    );
  };
  const lifted = lift(document) as OpenApiDocument;
  return { ...lifted, components: { ...(lifted.components as Json), schemas } };
}

function jsonSchema(schema: z.ZodType, io: 'input' | 'output'): Json {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, {
    target: 'draft-2020-12',
    io,
    unrepresentable: 'any',
    reused: 'inline',
    override: ({ jsonSchema: made }) => {
      // For our messages, not for readers of the document.
      delete (made as Record<string, unknown>).is;
      delete (made as Record<string, unknown>).id;
    },
  });
  return rest;
}
