import type { BatchClient } from '../../client/batch-client.ts';
import { Failure } from '../../core/errors.ts';
import { type ExitCode, exitCodeOf } from '../../core/exit-codes.ts';
import { isTerminal } from '../../core/states.ts';
import type { JobStatus } from '../../core/wire.ts';
import { watchPeakMemory } from '../../observe/memory.ts';
import type { JobSpec } from '../../spec/job-spec.ts';
import { type Connection, connect } from '../connect.ts';
import { jobReport } from '../job-report.ts';
import type { Output } from '../output.ts';
import { openProgressView } from '../progress-view.ts';
import { systemClock, systemRandom } from '../system-ports.ts';

export interface RunOptions {
  readonly spec: JobSpec;
  readonly state: string;
  readonly fresh: boolean;
  readonly adopt: boolean;
}

const INTERRUPTED: ExitCode = 130;
const POLL_MS = 250;

/**
 * Runs a job to its end and reports it. The manager is this process, unless another one holds the state folder: then the
 * job runs there. If that process goes away, this one takes over. Returns the exit code.
 */
export async function runCommand(options: RunOptions, output: Output): Promise<number> {
  const memory = watchPeakMemory(process.pid);
  const interrupt = watchInterrupts(output);
  let connection = await connect(options.state, true);
  try {
    const submitOptions = {
      requestId: Buffer.from(systemRandom.bytes(12)).toString('hex'),
      fresh: options.fresh,
      adopt: options.adopt,
    };
    const { job_id: jobId, resumed } = await connection.client.submit(options.spec, submitOptions);
    output.event(resumed ? 'resumed' : 'submitted', { job_id: jobId });
    output.note(`${resumed ? 'Going on with the unfinished' : 'Submitted'} ${jobId} "${options.spec.name}"`);

    for (;;) {
      const ended = await watch(jobId, connection, interrupt.first, output);
      if (ended !== 'manager-gone') {
        return await conclude(
          ended,
          jobId,
          connection,
          connection.embedded === null ? null : memory.peakBytes(),
          output,
        );
      }
      output.note('The process that worked on the job is gone; taking over.');
      connection = await connect(options.state, true);
      await connection.client.resume(jobId);
    }
  } finally {
    memory.stop();
    interrupt.stop();
    await connection.close();
  }
}

type Ended = JobStatus | 'interrupted' | 'manager-gone';

async function watch(
  jobId: string,
  connection: Connection,
  interrupted: AbortSignal,
  output: Output,
): Promise<Ended> {
  const view = openProgressView(process.stderr, systemClock.nowMs);
  let last = '';
  try {
    for (;;) {
      if (interrupted.aborted) return 'interrupted';
      connection.embedded?.diskFull.throwIfAborted();
      const status = await statusOrNull(connection.client, jobId);
      if (status === null) return 'manager-gone';
      if (isTerminal(status.status)) return status;
      const shown = JSON.stringify([status.status, status.progress, status.counts]);
      if (shown !== last) output.event('progress', { job: status });
      last = shown;
      if (!output.json) view.update(status);
      await systemClock.sleep(POLL_MS, interrupted);
    }
  } finally {
    view.close();
  }
}

async function statusOrNull(client: BatchClient, jobId: string): Promise<JobStatus | null> {
  try {
    return await client.status(jobId);
  } catch (error) {
    if (error instanceof Failure && error.code === 'MANAGER_UNREACHABLE') return null;
    throw error;
  }
}

async function conclude(
  ended: Exclude<Ended, 'manager-gone'>,
  jobId: string,
  connection: Connection,
  peakMemoryBytes: number | null,
  output: Output,
): Promise<number> {
  if (ended !== 'interrupted') {
    output.result(jobReport(ended, peakMemoryBytes), {
      event: ended.status,
      job: ended,
      peak_memory_bytes: peakMemoryBytes,
    });
    if (ended.status === 'completed') return 0;
    if (ended.status === 'cancelled') return 3;
    return ended.error === null ? 1 : exitCodeOf(ended.error.code);
  }
  if (connection.embedded === null) {
    output.note(
      `${jobId} goes on in process ${connection.endpoint.pid}. To end it: batchwright cancel ${jobId}`,
    );
    return INTERRUPTED;
  }
  output.note('Finishing the batches in hand; Ctrl-C again to kill.');
  await connection.embedded.drain();
  // It may have ended in this very moment.
  const last = await connection.client.status(jobId);
  if (isTerminal(last.status)) return conclude(last, jobId, connection, peakMemoryBytes, output);
  await connection.close();
  output.event('interrupted', { job_id: jobId });
  output.note(`${jobId} is unfinished; run the same command to go on.`);
  return INTERRUPTED;
}

/** The first SIGINT or SIGTERM asks politely; the second ends this process at once, and its children with it. */
function watchInterrupts(output: Output): { first: AbortSignal; stop: () => void } {
  const first = new AbortController();
  const listener = () => {
    if (first.signal.aborted) {
      output.note('Killed.');
      process.kill(process.pid, 'SIGKILL');
    }
    first.abort();
  };
  process.on('SIGINT', listener);
  process.on('SIGTERM', listener);
  return {
    first: first.signal,
    stop: () => {
      process.off('SIGINT', listener);
      process.off('SIGTERM', listener);
    },
  };
}
