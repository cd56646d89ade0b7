import type { PublishedInput, StoredFile } from '../core/lease.ts';
import type { ManifestFile } from '../core/manifest.ts';
import type { DataEngine } from '../data/engine.ts';
import type { JobSpec } from '../spec/job-spec.ts';

/**
 * Makes the accepted parts of one job visible at its destination: all of them or none. Whatever verb is killed at
 * whatever moment, calling `publish` again, from any process, goes on to exactly one complete result.
 */
export interface Sink {
  /**
   * Early look, before anything is scored: mode, foreign content, permissions, another job at work. Changes nothing and
   * promises nothing: `publish` looks again. Fails with DESTINATION_EXISTS, _FOREIGN, _BUSY, _UNWRITABLE,
   * RETRY_SUPERSEDED (another result is there than the one to be replaced).
   */
  check(job: SinkJob & { readonly adopt: boolean }): Promise<void>;
  /**
   * As soon as the columns are known: may they be appended to what is there? Does nothing in other modes. Fails with
   * SCHEMA_MISMATCH, naming the first column that differs.
   */
  checkColumns(job: SinkJob, columns: readonly SinkColumn[], context: SinkContext): Promise<void>;
  /**
   * Publishes, or finds that this job is published already. Fails like `check` and `checkColumns`, with PART_CORRUPT
   * (a staged file is not what the ledger says), PUBLISH_SUPERSEDED (a task with a higher fence has taken over),
   * DISK_FULL or STORAGE_FAILED. After a failure the destination holds what it held before, unless the failure says
   * that the outcome is not known: then `probe`, or publish again.
   */
  publish(request: PublishRequest, context: SinkContext): Promise<PublishedInput>;
  /** 'partial': the destination is half-way through this job's publish. 'unknown': it cannot be read. */
  probe(job: SinkJob): Promise<'published' | 'absent' | 'partial' | 'unknown'>;
  /**
   * Removes what a finished job left beside its destination: unfinished assemblies and the replaced output that was kept
   * for a rollback. The published result stays.
   */
  discard(job: SinkJob): Promise<void>;
}

export interface SinkJob {
  readonly jobId: string;
  readonly spec: JobSpec;
  /**
   * The job whose result is taken the place of, in one step and whatever `output.mode` says: that of no other. If
   * nothing is there any more, the result is published as if it had been. Not for results in sub-folders (`append`).
   */
  readonly replaces?: string;
}

export interface SinkContext {
  /** To read columns of files, and to write files in the format of the destination. */
  readonly engine: Pick<DataEngine, 'describe' | 'csvHead' | 'writeText'>;
  /** Aborted when the task's lease is lost. Heeded until the switch begins, which is not interrupted. */
  readonly signal: AbortSignal;
}

export interface SinkColumn {
  readonly name: string;
  /** As DuckDB prints it. */
  readonly type: string;
}

export interface PublishRequest extends SinkJob {
  readonly tenant: string;
  readonly adopt: boolean;
  /** The job task's fencing token. A publish with a lower one than was ever seen at the destination is refused. */
  readonly fence: number;
  /** In order of the snapshot. At least one: a job without scored rows gives one Parquet file without rows. */
  readonly parts: readonly StoredFile[];
  readonly rejects: readonly StoredFile[];
  /** Storage key below which files that are made from parts may be staged; the job's own. */
  readonly staging: string;
  /**
   * Gives the signed manifest of these files; called once per publish that has to assemble. It is a callback because
   * only the sink knows the names that the files are published under.
   */
  readonly manifest: (files: readonly ManifestFile[]) => Promise<Uint8Array>;
}
