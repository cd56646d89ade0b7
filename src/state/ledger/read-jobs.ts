import { JOB_STATES } from '../../core/states.ts';
import { type JobRecord, jobRecord, toJobRow } from './job-record.ts';
import type { JobFilter, JobRow } from './ledger.ts';
import type { Transaction } from './transaction.ts';

export async function job(tx: Transaction, tenant: string, jobId: string): Promise<JobRow | null> {
  const record = await jobRecord(tx, tenant, jobId);
  return record === undefined ? null : toJobRow(tx, record);
}

/** Newest first. */
export async function jobs(tx: Transaction, tenant: string, filter: JobFilter): Promise<JobRow[]> {
  const states = (filter.states ?? JOB_STATES).join(' ');
  const idPrefix = filter.idPrefix ?? '';
  const records = await tx.all<JobRecord>(
    `SELECT * FROM job
      WHERE tenant = ? AND instr(' ' || ? || ' ', ' ' || state || ' ') > 0 AND instr(lower(name), lower(?)) > 0
        AND created_ms >= ? AND substr(job_id, 1, length(?)) = ? AND (created_ms, job_id) < (?, ?)
      ORDER BY created_ms DESC, job_id DESC LIMIT ?`,
    tenant,
    states,
    filter.name ?? '',
    filter.sinceMs ?? 0,
    idPrefix,
    idPrefix,
    filter.after?.createdMs ?? Number.MAX_SAFE_INTEGER,
    filter.after?.jobId ?? '',
    filter.limit,
  );
  return toJobRows(tx, records);
}

export async function openJobs(tx: Transaction): Promise<JobRow[]> {
  return toJobRows(
    tx,
    await tx.all<JobRecord>('SELECT * FROM job WHERE ended_ms IS NULL ORDER BY created_ms, job_id'),
  );
}

async function toJobRows(tx: Transaction, records: readonly JobRecord[]): Promise<JobRow[]> {
  const rows: JobRow[] = [];
  for (const record of records) rows.push(await toJobRow(tx, record));
  return rows;
}
