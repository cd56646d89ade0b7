import type { BoundJob } from '../core/bound.ts';
import type { Counts } from '../core/counts.ts';
import { MANIFEST_PREDICATE_TYPE, MANIFEST_STATEMENT_TYPE, type ManifestFile } from '../core/manifest.ts';
import { answeredCounts, type RetryBase, type RetryOf, wholeFiles } from '../core/retry.ts';
import type { RowRange, Snapshot } from '../core/snapshot.ts';
import type { TaskJob } from '../core/wire.ts';
import type { JobSpec } from '../spec/job-spec.ts';
import type { PublicKey } from './dsse.ts';

/** An in-toto Statement v1: these files (subjects) came about like this (predicate). */
export interface Statement {
  readonly _type: typeof MANIFEST_STATEMENT_TYPE;
  readonly subject: readonly { readonly name: string; readonly digest: { readonly sha256: string } }[];
  readonly predicateType: typeof MANIFEST_PREDICATE_TYPE;
  readonly predicate: Predicate;
}

/** Times are ISO 8601. */
export interface Predicate {
  readonly job: {
    readonly id: string;
    readonly name: string;
    readonly tenant: string;
    readonly owner: string | null;
    readonly tags: JobSpec['tags'];
    readonly provenance: JobSpec['provenance'];
    readonly resumes: number;
    readonly retries: number;
    readonly submittedAt: string;
    readonly firstClaimAt: string | null;
    readonly lastCompleteAt: string | null;
    readonly publishedAt: string;
  };
  readonly specification: JobSpec;
  readonly snapshot: {
    readonly rows: number;
    readonly columns: Snapshot['columns'];
    readonly files: readonly Omit<Snapshot['files'][number], 'rowGroups'>[];
    /** What the files were made from, by joins and SQL; the SQL stands in the specification. */
    readonly prepared?: Snapshot['prepared'];
  };
  /** Of the published parts, in order; `type` as DuckDB names it. */
  readonly columns: StatementInput['columns'];
  readonly model: BoundJob['model'] & Pick<BoundJob, 'signature' | 'binding' | 'where'>;
  readonly code: CodeVersion;
  readonly environment: Environment;
  /** One entry per subject, in the same order. */
  readonly files: readonly FileOrigin[];
  /** Of the whole result. */
  readonly counts: Counts;
  /** Only of a retry. `snapshot` is what this job read; what those before it read stands in `inputs`. */
  readonly retry?: {
    readonly of: string;
    readonly mode: RetryOf['mode'];
    /** The job whose published result this one has taken the place of. */
    readonly replaces: string | null;
    readonly repaired: RetryOf['repaired'];
    readonly inputs: RetryBase['inputs'];
    /** `taken`: rows answered by what is taken over; null: nothing is. */
    readonly counts: { readonly taken: Counts | null; readonly own: Counts };
  };
  /** What the audit found. */
  readonly checks: unknown;
  /** SPKI in DER, base64: tells a signature by a stranger from a broken one. It proves nothing by itself. */
  readonly signer: { readonly keyId: string; readonly publicKey: string };
}

export interface FileOrigin {
  readonly path: string;
  readonly kind: ManifestFile['kind'];
  readonly rows: number;
  readonly sizeBytes: number;
  /** The job that made the file, where a retry has taken it over. */
  readonly job?: string;
  /** Null for rejects that a retry has taken over without trying them again, and for the file without rows that stands for a result without scored rows. */
  readonly shard: { readonly id: number; readonly attempt: number; readonly range: RowRange } | null;
}

export interface CodeVersion {
  readonly name: string;
  readonly version: string;
}

export interface Environment {
  readonly node: string;
  readonly platform: string;
  readonly arch: string;
  /** Name of an engine or runtime to its version. */
  readonly runtimes: Readonly<Record<string, string>>;
}

export interface StatementInput {
  /** Pinned and audited. */
  readonly job: TaskJob;
  readonly files: readonly ManifestFile[];
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  readonly code: CodeVersion;
  readonly environment: Environment;
  readonly signer: PublicKey;
  /** Epoch ms. */
  readonly publishedMs: number;
}

export function createStatement({
  job,
  files,
  columns,
  code,
  environment,
  signer,
  publishedMs,
}: StatementInput): Statement {
  if (job.pinned === null) throw new Error('a job that is not pinned has nothing to state');
  const spec = job.spec as JobSpec;
  const { snapshot, bound, parts } = job.pinned;
  const { retry } = job;
  const base = retry?.base ?? null;
  const whole = { jobId: job.jobId, parts, base };
  const origins = new Map(
    [...wholeFiles('parts', whole), ...wholeFiles('rejects', whole)].map((taken) => [taken.file.key, taken]),
  );
  return {
    _type: MANIFEST_STATEMENT_TYPE,
    subject: files.map(({ path, sha256 }) => ({ name: path, digest: { sha256 } })),
    predicateType: MANIFEST_PREDICATE_TYPE,
    predicate: {
      job: {
        id: job.jobId,
        name: job.name,
        tenant: job.tenant,
        owner: job.owner,
        tags: spec.tags,
        provenance: spec.provenance,
        resumes: job.resumes,
        retries: job.retries,
        submittedAt: isoTime(job.createdMs),
        firstClaimAt: job.firstClaimMs === null ? null : isoTime(job.firstClaimMs),
        lastCompleteAt: job.lastCompleteMs === null ? null : isoTime(job.lastCompleteMs),
        publishedAt: isoTime(publishedMs),
      },
      specification: spec,
      snapshot: {
        rows: snapshot.rows,
        columns: snapshot.columns,
        files: snapshot.files.map(({ rowGroups: _, ...file }) => file),
        ...(snapshot.prepared === undefined ? {} : { prepared: snapshot.prepared }),
      },
      columns,
      model: { ...bound.model, signature: bound.signature, binding: bound.binding, where: bound.where },
      code,
      environment,
      files: files.map(({ path, kind, key, rows, sizeBytes }) => ({
        path,
        kind,
        rows,
        sizeBytes,
        ...(base === null ? {} : { job: origins.get(key)?.jobId ?? job.jobId }),
        shard: origins.get(key)?.shard ?? null,
      })),
      counts: answeredCounts(job.counts, base),
      ...(retry === null
        ? {}
        : {
            retry: {
              of: retry.job,
              mode: retry.mode,
              replaces: retry.replaces,
              repaired: retry.repaired,
              inputs: base?.inputs ?? [],
              counts: { taken: base?.counts ?? null, own: job.counts },
            },
          }),
      checks: job.checks,
      signer: { keyId: signer.keyId, publicKey: signer.spki.toString('base64') },
    },
  };
}

function isoTime(epochMs: number): string {
  return new Date(epochMs).toISOString();
}
