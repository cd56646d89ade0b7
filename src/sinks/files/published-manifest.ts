import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { MANIFEST_PAYLOAD_TYPE, MANIFEST_PREDICATE_TYPE } from '../../core/manifest.ts';
import { isAbsent } from '../../storage/fs-failure.ts';
import type { SinkColumn } from '../sink.ts';

/** What a sink has to know of a manifest that lies in a folder: whose it is and what it names. */
export interface PublishedManifest {
  readonly jobId: string;
  /** Relative to the manifest's folder. */
  readonly files: readonly string[];
  /** Of its parts; null: it does not say. */
  readonly columns: readonly SinkColumn[] | null;
  /** Of the manifest's own bytes. */
  readonly sha256: string;
}

/**
 * Tells our own folders from others': it trusts nobody and proves nothing, signatures are for `verify`. Null: there is
 * no manifest. 'foreign': there is a file of that name that we did not write.
 */
export async function readPublishedManifest(path: string): Promise<PublishedManifest | 'foreign' | null> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    if (isAbsent(error)) return null;
    throw error;
  }
  const statement = statementIn(bytes);
  if (statement === null) return 'foreign';
  return { ...statement, sha256: createHash('sha256').update(bytes).digest('hex') };
}

function statementIn(bytes: Buffer): Omit<PublishedManifest, 'sha256'> | null {
  try {
    const envelope = JSON.parse(bytes.toString('utf8'));
    if (envelope.payloadType !== MANIFEST_PAYLOAD_TYPE) return null;
    const statement = JSON.parse(Buffer.from(envelope.payload, 'base64').toString('utf8'));
    const jobId: unknown = statement.predicate.job.id;
    const files: unknown[] = statement.subject.map((subject: { name: unknown }) => subject.name);
    if (statement.predicateType !== MANIFEST_PREDICATE_TYPE || typeof jobId !== 'string') return null;
    const columns = columnsIn(statement.predicate.columns);
    return files.every((file) => typeof file === 'string') ? { jobId, files, columns } : null;
  } catch {
    return null;
  }
}

function columnsIn(columns: unknown): SinkColumn[] | null {
  const isColumn = (each: unknown): each is SinkColumn => {
    const { name, type } = Object(each) as { name?: unknown; type?: unknown };
    return typeof name === 'string' && typeof type === 'string';
  };
  return Array.isArray(columns) && columns.every(isColumn) ? columns : null;
}
