import { z } from 'zod';
import { API_ROLES } from '../core/api-role.ts';
import { ELEMENT_TYPES } from '../core/columns.ts';
import { ERROR_CODES } from '../core/error-codes.ts';
import type { AuditPage, KeyList, KeyView, NewKey } from '../core/key-wire.ts';
import type {
  AddModelAnswer,
  ModelDetail,
  ModelList,
  ModelVersionView,
  MoveAliasAnswer,
  RemoveModelAnswer,
} from '../core/model-wire.ts';
import { RETRY_MODES } from '../core/retry.ts';
import { JOB_STATES, SHARD_STATES } from '../core/states.ts';
import type { EventView, JobDetail, JobStatus, ShardView, SubmitAnswer } from '../core/wire.ts';
import type { Problem } from './problem.ts';

/** What the API answers: the OpenAPI document is made from these, and the types of `core/` hold them to what is answered. */

const whole = z.number().int().nonnegative();
const time = z.iso.datetime();
const text = z.string();
const code = z.enum(Object.keys(ERROR_CODES) as (keyof typeof ERROR_CODES)[]);
const place = z.strictObject({
  file: text.exactOptional(),
  line: whole.exactOptional(),
  field: text.exactOptional(),
  row: text.exactOptional(),
});
const plainReport = z.strictObject({
  code,
  message: text,
  next: text,
  place,
  details: z.array(text).exactOptional(),
});
const report = plainReport.extend({ problems: z.array(plainReport).exactOptional() });
const counts = z.strictObject({ read: whole, scored: whole, rejected: whole, filtered: whole });
const state = z.enum(JOB_STATES);
const use = z.strictObject({ name: text, version: whole, alias: text.nullable() });

export const problem: z.ZodType<Problem> = z
  .strictObject({
    type: text,
    title: text,
    status: whole,
    detail: text,
    code,
    next: text,
    place,
    pointer: text.exactOptional(),
    errors: z.array(z.strictObject({ code, detail: text, pointer: text.exactOptional() })).exactOptional(),
  })
  .meta({
    id: 'Problem',
    description: 'What went wrong (RFC 9457): `code` does not change, `next` says what to do.',
  });

export const submitAnswer: z.ZodType<SubmitAnswer> = z
  .strictObject({
    job_id: text,
    status: state,
    resumed: z.boolean(),
    estimated_duration_minutes: z.number().nullable(),
    input_row_count: whole.nullable(),
  })
  .meta({ id: 'SubmitAnswer' });

export const jobStatus: z.ZodType<JobStatus> = z
  .strictObject({
    job_id: text,
    name: text,
    tenant: text,
    owner: text.nullable(),
    status: state,
    progress: z.strictObject({
      total_rows: whole.nullable(),
      processed_rows: whole,
      percentage: z.number().min(0).max(100),
    }),
    counts,
    shards: z.strictObject({ total: whole, accepted: whole, leased: whole }),
    retries: whole,
    resumes: whole,
    workers: whole,
    created_at: time,
    started_at: time.nullable(),
    finished_at: time.nullable(),
    estimated_completion: time.nullable(),
    state_ms: z.partialRecord(state, z.number()),
    scoring_ms: z.number().nullable(),
    timings: z.strictObject({ readMs: z.number(), modelMs: z.number(), writeMs: z.number() }),
    settings: z
      .strictObject({
        workers: whole,
        memory_mb_per_worker: whole,
        threads_per_worker: whole,
        batch_size: whole,
      })
      .nullable(),
    model: z.strictObject({ reference: text, sha256: text, registered: use.nullable() }),
    output: z.strictObject({
      location: text,
      mode: text,
      published: z.strictObject({ location: text, manifest: text, manifestSha256: text }).nullable(),
    }),
    retry: z.strictObject({ of: text, mode: z.enum(RETRY_MODES), whole: counts.nullable() }).nullable(),
    warnings: z.array(text),
    error: report.extend({ cause: text }).nullable(),
  })
  .meta({ id: 'JobStatus' });

export const jobList = z
  .strictObject({
    jobs: z.array(jobStatus),
    next_cursor: text.nullable().meta({ description: '`cursor` of the next page; null: this was the last.' }),
  })
  .meta({ id: 'JobList' });

export const jobDetail: z.ZodType<JobDetail> = z
  .strictObject({
    job: jobStatus,
    specification: z.unknown(),
    model_sha256: text,
    input: z
      .strictObject({
        files: whole,
        size_bytes: whole,
        columns: z.array(
          z.strictObject({
            name: text,
            type: text,
            neverNull: z.boolean(),
            typeReason: text.exactOptional(),
          }),
        ),
        key: text.nullable(),
      })
      .nullable(),
    staged_rejects: z.array(z.strictObject({ key: text, rows: whole })),
    log_file: text,
  })
  .meta({ id: 'JobDetail' });

export const shard: z.ZodType<ShardView> = z.strictObject({
  shard: whole,
  first_row: whole,
  end_row: whole,
  state: z.enum(SHARD_STATES),
  attempt: whole,
  failures: whole,
  worker: text.nullable(),
});
export const shardList = z
  .strictObject({ shards: z.array(shard), next_after: whole.nullable() })
  .meta({ id: 'ShardList' });

export const event: z.ZodType<EventView> = z
  .strictObject({ seq: whole, at: time, type: text, data: z.unknown() })
  .meta({ id: 'Event' });

const tensor = z.strictObject({
  name: text,
  type: z.enum(ELEMENT_TYPES),
  shape: z.array(z.union([z.number(), text, z.null()])),
});
const signature = z.strictObject({
  inputs: z.array(tensor),
  outputs: z.array(tensor.extend({ labels: z.array(z.union([text, z.number()])).exactOptional() })),
  unusable: z.array(z.strictObject({ name: text, type: text })).exactOptional(),
});
export const modelVersion: z.ZodType<ModelVersionView> = z
  .strictObject({
    name: text,
    version: whole,
    reference: text,
    sha256: text,
    size_bytes: whole,
    files: z.array(z.strictObject({ key: text, size_bytes: whole, sha256: text })),
    signature,
    features: z.array(text).nullable(),
    key: text.nullable(),
    outputs: z.record(text, text).nullable(),
    tags: z.record(text, text),
    description: text.nullable(),
    created_at: time,
    created_by: text.nullable(),
    removed_at: time.nullable(),
    removed_by: text.nullable(),
  })
  .meta({ id: 'ModelVersion' });
export const addModelAnswer: z.ZodType<AddModelAnswer> = z
  .strictObject({ added: z.boolean(), model: modelVersion })
  .meta({ id: 'AddModelAnswer' });

const alias = z.strictObject({ alias: text, version: whole });
export const modelList: z.ZodType<ModelList> = z
  .strictObject({
    models: z.array(
      z.strictObject({
        name: text,
        latest: whole,
        versions: whole,
        aliases: z.array(alias),
        description: text.nullable(),
        size_bytes: whole,
        created_at: time,
      }),
    ),
    next: text.nullable(),
  })
  .meta({ id: 'ModelList' });
export const modelDetail: z.ZodType<ModelDetail> = z
  .strictObject({
    name: text,
    aliases: z.array(alias),
    versions: z.array(
      z.strictObject({
        version: whole,
        created_at: time,
        created_by: text.nullable(),
        size_bytes: whole,
        sha256: text,
        removed_at: time.nullable(),
      }),
    ),
    next_before: whole.nullable(),
    alias_moves: z.array(
      z.strictObject({
        alias: text,
        from: whole.nullable(),
        to: whole.nullable(),
        at: time,
        by: text.nullable(),
      }),
    ),
    selected: modelVersion.nullable(),
    jobs: z.array(
      z.strictObject({ job_id: text, name: text, status: state, alias: text.nullable(), created_at: time }),
    ),
  })
  .meta({ id: 'ModelDetail' });
export const moveAliasAnswer: z.ZodType<MoveAliasAnswer> = z
  .strictObject({ alias: text, from: whole.nullable(), to: whole.nullable(), moved: z.boolean() })
  .meta({ id: 'MoveAliasAnswer' });
export const removeModelAnswer: z.ZodType<RemoveModelAnswer> = z
  .strictObject({ removed: z.boolean(), bytes_kept: z.boolean() })
  .meta({ id: 'RemoveModelAnswer' });

const keyShape = {
  prefix: text,
  tenant: text,
  name: text,
  role: z.enum(API_ROLES),
  created_at: time,
  created_by: text,
  expires_at: time.nullable(),
  revoked_at: time.nullable(),
  revoked_by: text.nullable(),
  replaced_by: text.nullable(),
};
export const keyView: z.ZodType<KeyView> = z.strictObject(keyShape).meta({ id: 'Key' });
export const newKey: z.ZodType<NewKey> = z.strictObject({ ...keyShape, key: text }).meta({ id: 'NewKey' });
export const keyList: z.ZodType<KeyList> = z.strictObject({ keys: z.array(keyView) }).meta({ id: 'KeyList' });
export const auditPage: z.ZodType<AuditPage> = z
  .strictObject({
    entries: z.array(
      z.strictObject({
        seq: whole,
        at: time,
        actor: text,
        action: text,
        target: text,
        status: whole,
        code: code.nullable(),
      }),
    ),
    next_before: whole.nullable(),
  })
  .meta({ id: 'AuditPage' });
