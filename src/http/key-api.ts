import { z } from 'zod';
import { API_ROLES } from '../core/api-role.ts';
import { Failure } from '../core/errors.ts';
import type { Caller, KeyService } from '../manager/keys.ts';
import { auditPage, keyList, keyView, newKey } from './answers.ts';
import { bodyOf } from './parse-body.ts';
import { type Route, route } from './route.ts';

const prefix = z.strictObject({
  prefix: z.string().min(1).max(100).meta({ description: '`bw_<prefix>_...`: the part that is no secret.' }),
});
const createBody = z.strictObject({
  name: z
    .string()
    .min(1)
    .max(200)
    .regex(/^[^\p{Cc}\p{Cs}]*$/u, 'holds control characters')
    .meta({ description: 'What the key is for.' }),
  role: z.enum(API_ROLES),
  tenant: z
    .string()
    .max(63)
    .optional()
    .meta({ description: "Another tenant than the caller's: only from the server's own command line." }),
});
const rotateBody = z.strictObject({
  overlap_hours: z
    .number()
    .min(0)
    .max(8_760)
    .default(24)
    .meta({ description: 'How long the old key stays good.' }),
});
const auditQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
  before: z.coerce.number().int().min(1).max(Number.MAX_SAFE_INTEGER).optional(),
});

/** API keys of the caller's tenant, and who did what with them. */
export function keyRoutes(keys: KeyService): Route[] {
  const base = '/api/v1/keys';
  return [
    route({
      id: 'createKey',
      method: 'POST',
      path: base,
      access: 'admin',
      tag: 'keys',
      summary: 'Make a key; it is shown this once',
      body: bodyOf(createBody),
      answers: { 201: { description: 'The key.', schema: newKey } },
      handle: async ({ body: { name, role, tenant = null }, caller, reply }) => {
        if (tenant !== null && tenant !== caller.tenant && caller.fenced) {
          throw new Failure('FORBIDDEN', `A key of tenant ${caller.tenant} makes keys of that tenant only.`, {
            place: { field: 'tenant' },
            next: 'On the server: batchwright key create --tenant ...',
          });
        }
        void reply.code(201);
        return keys.create({ tenant: tenant ?? caller.tenant, name, role, by: caller.actor });
      },
    }),
    route({
      id: 'listKeys',
      method: 'GET',
      path: base,
      access: 'admin',
      tag: 'keys',
      summary: 'All keys, also those that are no longer good',
      answers: { 200: { description: 'Newest first.', schema: keyList } },
      handle: ({ caller }) => keys.list(reachOf(caller)),
    }),
    route({
      id: 'rotateKey',
      method: 'POST',
      path: `${base}/{prefix}/rotate`,
      access: 'admin',
      tag: 'keys',
      summary: 'Make a key in place of another, which runs out',
      params: prefix,
      body: bodyOf(rotateBody),
      answers: { 201: { description: 'The new key.', schema: newKey } },
      handle: async ({ params, body, caller, reply }) => {
        void reply.code(201);
        return keys.rotate({
          tenant: reachOf(caller),
          prefix: params.prefix,
          overlapHours: body.overlap_hours,
          by: caller.actor,
        });
      },
    }),
    route({
      id: 'revokeKey',
      method: 'POST',
      path: `${base}/{prefix}/revoke`,
      access: 'admin',
      tag: 'keys',
      summary: 'Take a key away, at once',
      params: prefix,
      body: bodyOf(z.strictObject({}).optional()),
      answers: { 200: { description: 'The key.', schema: keyView } },
      handle: ({ params, caller }) =>
        keys.revoke({ tenant: reachOf(caller), prefix: params.prefix, by: caller.actor }),
    }),
    route({
      id: 'listAudit',
      method: 'GET',
      path: '/api/v1/audit',
      access: 'admin',
      tag: 'keys',
      summary: 'Who did what, newest first',
      query: auditQuery,
      answers: { 200: { description: 'A page of the audit log.', schema: auditPage } },
      handle: ({ query, caller }) =>
        keys.audit(caller.tenant, { before: query.before ?? null, limit: query.limit }),
    }),
  ];
}

/** Whoever may read the state folder administers all tenants. */
function reachOf(caller: Caller): string | null {
  return caller.fenced ? caller.tenant : null;
}
