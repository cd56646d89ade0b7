import { connect } from '../connect.ts';
import { formatCount, formatTable } from '../format.ts';
import type { Output } from '../output.ts';

/** Lists jobs, newest first. */
export async function jobsCommand(limit: number, state: string, output: Output): Promise<number> {
  const connection = await connect(state, false);
  try {
    const jobs = await connection.client.list({ limit });
    const rows = jobs.map((job) => [
      job.job_id,
      job.status,
      `${job.progress.percentage.toFixed(1)}%`,
      formatCount(job.counts.scored),
      formatCount(job.counts.rejected),
      job.created_at.slice(0, 19).replace('T', ' '),
      job.name,
    ]);
    const table = formatTable([
      ['JOB', 'STATE', 'DONE', 'SCORED', 'REJECTED', 'CREATED (UTC)', 'NAME'],
      ...rows,
    ]);
    output.result(jobs.length === 0 ? 'No jobs yet. Start one with: batchwright run job.yaml' : table, {
      jobs,
    });
    return 0;
  } finally {
    await connection.close();
  }
}
