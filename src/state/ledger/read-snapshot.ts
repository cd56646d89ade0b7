import type { OriginalFile, Preparation, Snapshot, SourceColumn } from '../../core/snapshot.ts';
import type { Transaction } from './transaction.ts';

interface FileRecord {
  readonly key: string;
  readonly size_bytes: number;
  readonly mtime_ns: string;
  readonly footer_sha256: string;
  readonly rows: number;
  readonly row_groups: string;
  readonly original_file: string | null;
  readonly partition_values: string | null;
}

export async function snapshot(tx: Transaction, tenant: string, jobId: string): Promise<Snapshot | null> {
  const head = await tx.get<{ rows: number; columns: string; prepared: string | null }>(
    'SELECT rows, columns, prepared FROM snapshot WHERE tenant = ? AND job_id = ?',
    tenant,
    jobId,
  );
  if (head === undefined) return null;
  const files = await tx.all<FileRecord>(
    'SELECT * FROM snapshot_file WHERE tenant = ? AND job_id = ? ORDER BY position',
    tenant,
    jobId,
  );
  return {
    files: files.map((file) => ({
      key: file.key,
      identity: { sizeBytes: file.size_bytes, mtimeNs: file.mtime_ns, footerSha256: file.footer_sha256 },
      rows: file.rows,
      rowGroups: JSON.parse(file.row_groups) as number[],
      ...(file.original_file === null ? {} : { original: JSON.parse(file.original_file) as OriginalFile }),
      ...(file.partition_values === null
        ? {}
        : { partition: JSON.parse(file.partition_values) as Record<string, string | null> }),
    })),
    columns: JSON.parse(head.columns) as SourceColumn[],
    rows: head.rows,
    ...(head.prepared === null ? {} : { prepared: JSON.parse(head.prepared) as Preparation }),
  };
}
