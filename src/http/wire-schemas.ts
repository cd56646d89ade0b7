import { z } from 'zod';
import { ELEMENT_TYPES } from '../core/columns.ts';
import { ERROR_CODES } from '../core/error-codes.ts';

/** What workers and tasks may send. The types they are checked against are those of `core/`. */

const whole = z.number().int().nonnegative();
const codes = Object.keys(ERROR_CODES) as (keyof typeof ERROR_CODES)[];

export const leaseRef = z.strictObject({
  tenant: z.string(),
  jobId: z.string(),
  shardId: whole,
  attempt: whole,
});
export const taskRef = z.strictObject({ tenant: z.string(), jobId: z.string(), fence: whole });
export const rowRange = z.strictObject({ start: whole, end: whole });

const place = z.strictObject({
  file: z.string().exactOptional(),
  line: z.number().exactOptional(),
  field: z.string().exactOptional(),
  row: z.string().exactOptional(),
});
const plainReport = z.strictObject({
  code: z.enum(codes),
  message: z.string(),
  next: z.string(),
  place,
  details: z.array(z.string().max(1_000)).max(40).exactOptional(),
});
export const failureReport = plainReport.extend({ problems: z.array(plainReport).exactOptional() });

export const progress = z.strictObject({ rows: whole, rejected: whole });
const counts = z.strictObject({ read: whole, scored: whole, rejected: whole, filtered: whole });
const storedFile = z.strictObject({
  key: z.string(),
  rows: whole,
  sizeBytes: whole,
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});
export const completion = z.strictObject({
  range: rowRange,
  counts,
  part: storedFile.nullable(),
  rejects: storedFile.nullable(),
  timings: z.strictObject({ readMs: z.number(), modelMs: z.number(), writeMs: z.number() }),
  sampleRejects: z.array(z.strictObject({ key: z.string(), code: z.string(), message: z.string() })).max(20),
});
export const attemptFailure = z.strictObject({
  report: failureReport,
  suspect: rowRange.nullable(),
  permanent: z.boolean(),
});

export const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

export const modelCompanion = z.strictObject({
  name: z.string().max(1_000).refine(isPlainPath, 'is no plain path below the folder of the model'),
  sizeBytes: whole,
  sha256,
});

/** No file system takes longer names. */
const LONGEST_NAME_BYTES = 255;

function isPlainPath(path: string): boolean {
  return path
    .split('/')
    .every(
      (step) =>
        step !== '.' &&
        step !== '..' &&
        /^[^\\\0:\p{Cs}]+$/u.test(step) &&
        Buffer.byteLength(step) <= LONGEST_NAME_BYTES,
    );
}

const labels = z.array(z.union([z.string(), z.number()])).exactOptional();
const shape = z.array(z.union([z.number(), z.string(), z.null()]));
const type = z.enum(ELEMENT_TYPES);
const derivedOf = z.enum(['labels', 'scores']);
export const signature = z.strictObject({
  inputs: z.array(z.strictObject({ name: z.string(), type, shape })),
  outputs: z.array(z.strictObject({ name: z.string(), type, shape, labels })),
  unusable: z.array(z.strictObject({ name: z.string(), type: z.string() })).exactOptional(),
});
export const bound = z.strictObject({
  model: z.strictObject({
    reference: z.string(),
    key: z.string(),
    sha256: z.string(),
    companions: z.array(z.strictObject({ name: z.string(), sizeBytes: whole, sha256: z.string() })),
    registered: z
      .strictObject({
        name: z.string(),
        version: whole,
        alias: z.string().nullable(),
        features: z.array(z.string()).exactOptional(),
      })
      .exactOptional(),
  }),
  signature,
  binding: z.strictObject({
    inputs: z.array(
      z.strictObject({
        input: z.string(),
        type,
        columns: z.array(z.string()),
        rank: whole,
        list: z.array(whole.nullable()).exactOptional(),
      }),
    ),
    outputs: z.array(
      z.strictObject({
        output: z.string(),
        column: z.string(),
        type,
        shape: z.enum(['scalar', 'list']),
        element: whole.exactOptional(),
        labels,
        derived: z
          .strictObject({
            softmax: z.boolean(),
            give: z.discriminatedUnion('kind', [
              z.strictObject({ kind: z.literal('values') }),
              z.strictObject({ kind: z.literal('argmax'), of: derivedOf }),
              z.strictObject({ kind: z.literal('top_k'), of: derivedOf, k: whole }),
              z.strictObject({ kind: z.literal('threshold'), atLeast: z.number() }),
            ]),
          })
          .exactOptional(),
      }),
    ),
    constants: z
      .array(
        z.strictObject({
          column: z.string(),
          type: z.enum(['VARCHAR', 'BIGINT', 'DOUBLE', 'BOOLEAN', 'TIMESTAMP WITH TIME ZONE']),
          value: z.union([z.string(), z.number(), z.boolean()]),
        }),
      )
      .exactOptional(),
    batchRows: whole.exactOptional(),
    warnings: z.array(z.string()).exactOptional(),
  }),
  where: z.string().nullable(),
  key: z.string().nullable(),
  include: z.array(z.string()),
  gathered: z.strictObject({ placed: z.boolean(), showsMalformed: z.boolean() }).exactOptional(),
});

const pinnedFile = z.strictObject({
  key: z.string(),
  identity: z.strictObject({ sizeBytes: whole, mtimeNs: z.string(), footerSha256: z.string() }),
  rows: whole,
  original: z
    .strictObject({
      path: z.string(),
      key: z.string(),
      sizeBytes: whole,
      mtimeNs: z.string(),
      sha256: z.string(),
      malformed: whole,
      piece: z.strictObject({ index: whole, firstRow: whole }).exactOptional(),
      database: z
        .strictObject({
          connection: z.string(),
          server: z.string(),
          user: z.string().nullable(),
          database: z.string(),
          statementSha256: z.string(),
          snapshotMs: whole,
          marks: z.record(z.string(), z.string()),
        })
        .exactOptional(),
    })
    .exactOptional(),
  partition: z.record(z.string(), z.string().nullable()).exactOptional(),
});

const pinnedTable = z.strictObject({
  files: z.array(pinnedFile),
  columns: z.array(
    z.strictObject({
      name: z.string(),
      type: z.string(),
      neverNull: z.boolean(),
      typeReason: z.string().exactOptional(),
    }),
  ),
  rows: whole,
});

export const snapshot = pinnedTable.extend({
  files: z.array(pinnedFile.extend({ rowGroups: z.array(whole) })),
  prepared: z
    .strictObject({
      nowMs: z.int(),
      input: pinnedTable,
      sideInputs: z.record(z.string(), pinnedTable),
      joins: z.string().nullable(),
      rowsBefore: whole,
      rowsAfter: whole,
      malformed: whole,
    })
    .exactOptional(),
});

const takenFile = z.strictObject({
  jobId: z.string(),
  shard: z.strictObject({ id: whole, attempt: whole, range: rowRange }).nullable(),
  file: storedFile,
});
export const retryBase = z.strictObject({
  counts,
  parts: z.array(takenFile),
  rejects: z.array(takenFile),
  inputs: z.array(
    z.strictObject({
      jobId: z.string(),
      rows: whole,
      files: z.array(pinnedFile),
    }),
  ),
});
