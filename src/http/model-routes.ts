import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { checkedModelName, parseModelReference } from '../core/model-reference.ts';
import type { Manager } from '../manager/manager.ts';
import { parseBody } from './parse-body.ts';
import type { Authorize } from './server.ts';
import { modelCompanion, sha256, signature } from './wire-schemas.ts';

const limit = (fallback: number) => z.coerce.number().int().min(1).max(1_000).default(fallback);
const listQuery = z.strictObject({ limit: limit(50), after: z.string().max(200).optional() });
const showQuery = z.strictObject({
  limit: limit(20),
  before: z.coerce.number().int().min(1).max(999_999_999).optional(),
});
const nameParams = z.object({ name: z.string() });
const referenceParams = z.object({ reference: z.string() });
const versionParams = z.object({
  name: z.string(),
  version: z.coerce.number().int().min(1).max(999_999_999),
});

/** Names that people read: no control characters, no halves of characters. */
const text = (longest: number) =>
  z
    .string()
    .min(1)
    .max(longest)
    .regex(/^[^\p{Cc}\p{Cs}]*$/u);
const column = z
  .string()
  .min(1)
  .max(1_000)
  .regex(/^[^\0\p{Cs}]*$/u);
const by = text(320).nullable();

const addBody = z.strictObject({
  bytes: z.strictObject({
    sha256,
    sizeBytes: z.number().int().nonnegative(),
    companions: z.array(modelCompanion).max(10_000),
  }),
  signature,
  features: z.array(column).min(1).max(20_000).exactOptional(),
  key: column.exactOptional(),
  outputs: z
    .record(text(1_000), column)
    .refine((names) => Object.keys(names).length > 0 && Object.keys(names).length <= 20_000)
    .exactOptional(),
  tags: z
    .record(text(200), z.string().max(1_000))
    .refine((tags) => Object.keys(tags).length <= 100, 'there are more than 100'),
  description: z
    .string()
    .max(10_000)
    .regex(/^[^\0\p{Cs}]*$/u)
    .nullable(),
  alias: z.string().nullable(),
  by,
});
const aliasBody = z.strictObject({
  alias: z.string(),
  version: z.number().int().min(1).max(999_999_999).nullable(),
  by,
});
const removeBody = z.strictObject({ force: z.boolean(), by });

/** The model registry. No bytes of models pass here: they are in the storage before a version is added. */
export function addModelRoutes(server: FastifyInstance, { models }: Manager, authorize: Authorize): void {
  const base = '/api/v1/models';

  server.get(base, async (request) => {
    const { tenant } = authorize(request, 'admin');
    const { limit: most, after } = parseBody(listQuery, request.query);
    return models.list(tenant, { limit: most, after: after ?? null });
  });

  server.get(`${base}/:reference`, async (request) => {
    const { tenant } = authorize(request, 'admin');
    const reference = parseModelReference(parseBody(referenceParams, request.params).reference);
    const { limit: most, before } = parseBody(showQuery, request.query);
    return models.show(tenant, reference, { limit: most, before: before ?? null });
  });

  server.post(`${base}/:name/versions`, async (request, reply) => {
    const { tenant } = authorize(request, 'admin');
    const { name } = parseBody(nameParams, request.params);
    const answer = await models.add(tenant, name, parseBody(addBody, request.body));
    return reply.code(answer.added ? 201 : 200).send(answer);
  });

  server.post(`${base}/:name/aliases`, async (request) => {
    const { tenant } = authorize(request, 'admin');
    const name = checkedModelName(parseBody(nameParams, request.params).name);
    return models.moveAlias(tenant, name, parseBody(aliasBody, request.body));
  });

  server.post(`${base}/:name/versions/:version/remove`, async (request) => {
    const { tenant } = authorize(request, 'admin');
    const { name, version } = parseBody(versionParams, request.params);
    return models.remove(tenant, checkedModelName(name), version, parseBody(removeBody, request.body));
  });
}
