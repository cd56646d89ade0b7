import { connect } from '../connect.ts';
import type { Output } from '../output.ts';

/** Cancels an unfinished job: nothing of it will be published. */
export async function cancelCommand(jobId: string, state: string, output: Output): Promise<number> {
  const connection = await connect(state, false);
  try {
    const status = await connection.client.cancel(jobId);
    output.result(`${jobId} "${status.name}" is cancelled. The destination was not touched.`, {
      job: status,
    });
    return 0;
  } finally {
    await connection.close();
  }
}
