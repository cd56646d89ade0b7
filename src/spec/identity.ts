import { createHash } from 'node:crypto';
import { canonicalJson } from '../core/canonical-json.ts';
import type { JobSpec } from './job-spec.ts';

/**
 * How an unfinished job is found again: SHA-256, in hex, of tenant, model, input and output (so destination) of the
 * resolved specification, as canonical JSON.
 *
 * Not part of it, because they may differ between a job's start and its continuation without changing a single row: the
 * execution settings (`config`, with `error_budget`), and what is only said about the job (name, tags, owner, provenance).
 * `retry`: what tells a retry from others, of the same job or of none.
 *
 * Not part of it either is what the files hold: that has digests of its own (SOURCE_CHANGED, MODEL_CHANGED).
 */
export function jobIdentity(tenant: string, { model_id, input, output }: JobSpec, retry?: unknown): string {
  return createHash('sha256')
    .update(canonicalJson({ tenant, model_id, input, output, ...(retry === undefined ? {} : { retry }) }))
    .digest('hex');
}
