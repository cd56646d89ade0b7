import type { Readable } from 'node:stream';
import { z } from 'zod';
import { Failure } from '../core/errors.ts';
import { jsonPitfall } from '../core/json-pitfalls.ts';
import { checkedAlias, checkedModelName, parseModelReference } from '../core/model-reference.ts';
import type { AddModelAnswer } from '../core/model-wire.ts';
import type { Caller } from '../manager/keys.ts';
import type { ModelUploads } from '../manager/model-uploads.ts';
import type { ModelService } from '../manager/models.ts';
import { columnName, readableText } from '../spec/name-schemas.ts';
import { addModelAnswer, modelDetail, modelList, moveAliasAnswer, removeModelAnswer } from './answers.ts';
import { bodyOf, parseBody } from './parse-body.ts';
import { type Route, route } from './route.ts';
import { modelCompanion, sha256, signature } from './wire-schemas.ts';

export interface ModelApiDeps {
  readonly models: ModelService;
  readonly uploads: ModelUploads;
  /** Of one file. */
  readonly maxModelBytes: number;
}

const limit = (fallback: number) => z.coerce.number().int().min(1).max(1_000).default(fallback);
const listQuery = z.strictObject({ limit: limit(50), after: z.string().max(200).optional() });
const showQuery = z.strictObject({
  limit: limit(20),
  before: z.coerce.number().int().min(1).max(999_999_999).optional(),
});
const nameParams = z.strictObject({ name: z.string().max(200) });
const referenceParams = z.strictObject({
  reference: z.string().max(400).meta({ description: '`churn`, `churn@3` or `churn@champion`.' }),
});
const versionParams = z.strictObject({
  name: z.string().max(200),
  version: z.coerce.number().int().min(1).max(999_999_999),
});

const by = readableText(320).nullable();

const contract = {
  features: z.array(columnName).min(1).max(20_000).exactOptional(),
  key: columnName.exactOptional(),
  outputs: z
    .record(readableText(1_000), columnName)
    .refine((names) => Object.keys(names).length > 0 && Object.keys(names).length <= 20_000)
    .exactOptional(),
};
const tags = z
  .record(readableText(200), z.string().max(1_000))
  .refine((given) => Object.keys(given).length <= 100, 'there are more than 100');
const description = z
  .string()
  .max(10_000)
  .regex(/^[^\0\p{Cs}]*$/u)
  .nullable();
const addBody = z.strictObject({
  bytes: z.strictObject({
    sha256,
    sizeBytes: z.number().int().nonnegative(),
    companions: z.array(modelCompanion).max(10_000),
  }),
  signature,
  ...contract,
  tags,
  description,
  alias: z.string().nullable(),
  by,
});
const metadata = z.strictObject({
  ...contract,
  tags: tags.default({}),
  description: description.default(null),
  alias: z.string().nullable().default(null),
  sha256: sha256.exactOptional(),
});
const aliasBody = z.strictObject({
  alias: z.string(),
  version: z.number().int().min(1).max(999_999_999).nullable(),
  by: by.default(null),
});
const removeBody = z.strictObject({ force: z.boolean(), by: by.default(null) });
const removeQuery = z.strictObject({ force: z.enum(['true', 'false']).default('false') });

const added = {
  201: { description: 'The new version.', schema: addModelAnswer },
  200: {
    description: 'The version that is there: the same bytes with the same metadata.',
    schema: addModelAnswer,
  },
};
const ok = (schema: z.ZodType, what: string) => ({ 200: { description: what, schema } });

/** The model registry. Bytes of models go straight to the storage; the manager loads none. */
export function modelRoutes(deps: ModelApiDeps): Route[] {
  const { models } = deps;
  const base = '/api/v1/models';
  return [
    route({
      id: 'listModels',
      method: 'GET',
      path: base,
      access: 'reader',
      tag: 'models',
      summary: 'List models, by name',
      query: listQuery,
      answers: ok(modelList, 'A page of models.'),
      handle: ({ query, caller }) =>
        models.list(caller.tenant, { limit: query.limit, after: query.after ?? null }),
    }),
    route({
      id: 'getModel',
      method: 'GET',
      path: `${base}/{reference}`,
      access: 'reader',
      tag: 'models',
      summary: 'A model: signature, features, versions, aliases, jobs',
      params: referenceParams,
      query: showQuery,
      answers: ok(modelDetail, 'The model.'),
      handle: ({ params, query, caller }) =>
        models.show(caller.tenant, parseModelReference(params.reference), {
          limit: query.limit,
          before: query.before ?? null,
        }),
    }),
    route({
      id: 'uploadModel',
      method: 'POST',
      path: `${base}/{name}/upload`,
      access: 'submitter',
      tag: 'models',
      summary: 'Upload a version of a model',
      description:
        'multipart/form-data: `metadata` (JSON, first: features, key, outputs, tags, description, alias, sha256), `model` (the .onnx file), and `data` for each file of external data. With `sha256` the model has to have that digest.',
      params: nameParams,
      body: 'multipart',
      answers: added,
      async handle({ params, caller, request, reply }) {
        const answer = await upload(checkedModelName(params.name), caller, request, deps);
        void reply.code(answer.added ? 201 : 200);
        return answer;
      },
    }),
    route({
      id: 'addModelVersion',
      method: 'POST',
      path: `${base}/{name}/versions`,
      access: 'admin',
      localOnly: true,
      tag: 'models',
      summary: 'Register bytes that are in the storage already',
      params: nameParams,
      body: bodyOf(addBody),
      answers: added,
      async handle({ params, body, caller, reply }) {
        const answer = await models.add(caller.tenant, params.name, body);
        void reply.code(answer.added ? 201 : 200);
        return answer;
      },
    }),
    route({
      id: 'moveAlias',
      method: 'POST',
      path: `${base}/{name}/aliases`,
      access: 'admin',
      tag: 'models',
      summary: 'Move an alias to a version, or take it away',
      params: nameParams,
      body: bodyOf(aliasBody),
      answers: ok(moveAliasAnswer, 'Where it was, and is.'),
      handle: ({ params, body, caller }) =>
        models.moveAlias(caller.tenant, checkedModelName(params.name), {
          ...body,
          by: actorOf(caller, body.by),
        }),
    }),
    route({
      id: 'deleteModelVersion',
      method: 'DELETE',
      path: `${base}/{name}/versions/{version}`,
      access: 'admin',
      tag: 'models',
      summary: 'Remove a version; refused while it is in use',
      params: versionParams,
      query: removeQuery,
      answers: ok(removeModelAnswer, 'It is removed; what it was stays on record.'),
      handle: ({ params, query, caller }) =>
        models.remove(caller.tenant, checkedModelName(params.name), params.version, {
          force: query.force === 'true',
          by: caller.actor,
        }),
    }),
    route({
      id: 'removeModelVersion',
      method: 'POST',
      path: `${base}/{name}/versions/{version}/remove`,
      access: 'admin',
      tag: 'models',
      summary: 'The same as DELETE',
      params: versionParams,
      body: bodyOf(removeBody),
      answers: ok(removeModelAnswer, 'It is removed; what it was stays on record.'),
      handle: ({ params, body, caller }) =>
        models.remove(caller.tenant, checkedModelName(params.name), params.version, {
          force: body.force,
          by: actorOf(caller, body.by),
        }),
    }),
  ];
}

/** Who uses the state folder says who they are; of a key it is known. */
function actorOf(caller: Caller, said: string | null): string | null {
  return caller.fenced ? caller.actor : said;
}

/** A part of a multipart body, as @fastify/multipart gives it. */
type Part =
  | {
      readonly type: 'field';
      readonly fieldname: string;
      readonly value: unknown;
      readonly valueTruncated?: boolean;
    }
  | {
      readonly type: 'file';
      readonly fieldname: string;
      readonly filename: string;
      readonly file: Readable & { readonly truncated: boolean };
    };

async function upload(
  name: string,
  caller: Caller,
  request: { readonly isMultipart: () => boolean; readonly parts: (options: object) => AsyncIterable<Part> },
  { models, uploads, maxModelBytes }: ModelApiDeps,
): Promise<AddModelAnswer> {
  if (!request.isMultipart())
    throw new Failure('REQUEST_INVALID', 'The body is no multipart/form-data.', { place: { field: '' } });
  const incoming = await uploads.begin(caller.tenant);
  try {
    let said = parseBody(metadata, {});
    let main: { readonly name: string; readonly sha256: string } | null = null;
    const limits = { fileSize: maxModelBytes, files: 1_000, fields: 1, fieldSize: 2 ** 20, parts: 1_001 };
    for await (const part of request.parts({ limits })) {
      if (part.type === 'field') {
        if (part.fieldname !== 'metadata' || main !== null) throw unknownPart(part.fieldname);
        said = parseBody(metadata, parseMetadata(part.value));
        if (said.alias !== null) checkedAlias(said.alias);
        continue;
      }
      if (part.fieldname !== 'data' && (part.fieldname !== 'model' || main !== null))
        throw unknownPart(part.fieldname);
      const { sha256: digest } = await incoming.put(part.filename, part.file);
      if (part.file.truncated) throw tooLarge(part.filename, maxModelBytes);
      if (part.fieldname === 'model') main = { name: part.filename, sha256: digest };
    }
    if (main === null)
      throw new Failure('REQUEST_INVALID', 'model: is missing; it is the .onnx file.', {
        place: { field: 'model' },
      });
    if (said.sha256 !== undefined && said.sha256 !== main.sha256) {
      throw new Failure(
        'MODEL_CORRUPT',
        `The model arrived with the digest ${main.sha256}, not ${said.sha256}.`,
        {
          place: { field: 'metadata.sha256' },
          next: 'Send it again.',
        },
      );
    }
    const { sha256: _, ...contractAndTags } = said;
    const stored = await incoming.finish(main.name);
    return await models.add(caller.tenant, name, { ...contractAndTags, ...stored, by: caller.actor });
  } finally {
    await incoming.discard();
  }
}

function parseMetadata(value: unknown): unknown {
  const given = String(value);
  let parsed: unknown;
  try {
    parsed = JSON.parse(given);
  } catch (error) {
    throw new Failure('REQUEST_INVALID', `metadata: is no JSON: ${(error as Error).message}`, {
      place: { field: 'metadata' },
    });
  }
  const pitfall = jsonPitfall(given);
  if (pitfall === null) return parsed;
  throw new Failure('REQUEST_INVALID', `metadata: ${pitfall.pointer} ${pitfall.what}.`, {
    place: { field: 'metadata' },
  });
}

function unknownPart(name: string): Failure {
  return new Failure(
    'REQUEST_INVALID',
    `${name.slice(0, 80)}: has no place here; the parts are one metadata, one model, then data.`,
    { place: { field: name.slice(0, 80) } },
  );
}

function tooLarge(name: string, bytes: number): Failure {
  return new Failure('BODY_TOO_LARGE', `${name.slice(0, 200)} has more than ${bytes} bytes.`, {
    place: { field: 'model' },
    next: 'The setting `max_model_mb` says how large a file may be.',
  });
}
