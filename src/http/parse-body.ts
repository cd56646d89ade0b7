import type { z } from 'zod';
import { Failure } from '../core/errors.ts';

/** The body as the schema has it, or REQUEST_INVALID naming the first field at fault. */
export function parseBody<Schema extends z.ZodType>(schema: Schema, body: unknown): z.output<Schema> {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const field = issue?.path.join('.') ?? '';
  throw new Failure(
    'REQUEST_INVALID',
    `${field === '' ? 'The body' : field}: ${issue?.message ?? 'invalid'}.`,
    { place: { field } },
  );
}
