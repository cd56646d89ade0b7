import { connect } from '../connect.ts';
import { jobReport } from '../job-report.ts';
import type { Output } from '../output.ts';

/** Shows one job in full. */
export async function showCommand(jobId: string, state: string, output: Output): Promise<number> {
  const connection = await connect(state, false);
  try {
    const status = await connection.client.status(jobId);
    output.result(jobReport(status, null), { job: status });
    return 0;
  } finally {
    await connection.close();
  }
}
