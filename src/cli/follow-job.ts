import type { BatchClient } from '../client/batch-client.ts';
import { Failure } from '../core/errors.ts';
import { exitCodeOf } from '../core/exit-codes.ts';
import { isTerminal } from '../core/states.ts';
import type { JobStatus } from '../core/wire.ts';
import { watchPeakMemory } from '../observe/memory.ts';
import { type Connection, connect } from './connect.ts';
import { counted, formatCount, formatDuration } from './format.ts';
import { INTERRUPTED, watchInterrupts } from './interrupts.ts';
import { jobReport } from './job-report.ts';
import { keysByName } from './key-names.ts';
import type { Output } from './output.ts';
import { openProgressView } from './progress-view.ts';
import { systemClock } from './system-ports.ts';

const POLL_MS = 250;

/**
 * Submits or resumes a job (`begin` gives its id), shows its course to its end and reports it. The manager is this
 * process, unless another one holds the state folder: then the job runs there, and if that process goes away, this
 * one takes over. `config`: the configuration file. Ctrl-C hands the work back; a second one ends everything at once. Returns the exit code.
 */
export async function followJob(
  state: string,
  begin: (client: BatchClient) => Promise<string>,
  output: Output,
  config: string | null = null,
): Promise<number> {
  const memory = watchPeakMemory(process.pid);
  const interrupt = watchInterrupts(output);
  let connection = await connect(state, config);
  try {
    sayWhereItRuns(connection, output);
    let jobId = await begun(begin, connection);
    while (jobId === null) {
      await connection.close();
      connection = await connect(state);
      jobId = await begun(begin, connection);
    }
    for (;;) {
      const ended = await watch(jobId, connection, interrupt.first, output);
      if (ended !== 'manager-gone') {
        const peakBytes = connection.embedded === null ? null : memory.peakBytes();
        return await conclude(ended, jobId, connection, peakBytes, output);
      }
      output.note('The process that worked on the job is gone; taking over.');
      connection = await connect(state, config);
      await takeOver(connection.client, jobId);
    }
  } finally {
    memory.stop();
    interrupt.stop();
    await connection.close();
  }
}

/** Null: the manager that answered was another process's, just going away; the same request can be made again. */
async function begun(
  begin: (client: BatchClient) => Promise<string>,
  { client, embedded }: Connection,
): Promise<string | null> {
  try {
    return await begin(client);
  } catch (error) {
    const gone = error instanceof Failure && error.code === 'MANAGER_UNREACHABLE' && embedded === null;
    if (!gone) throw error;
    return null;
  }
}

function sayWhereItRuns({ endpoint, embedded }: Connection, output: Output): void {
  const who = embedded === null ? `process ${endpoint.pid}` : 'this process';
  output.detail(`manager    ${who}, ${endpoint.url}`);
}

/** It may have ended just before its manager did. */
async function takeOver(client: BatchClient, jobId: string): Promise<void> {
  try {
    await client.resume(jobId);
  } catch (error) {
    if (!(error instanceof Failure) || error.code !== 'JOB_FINISHED') throw error;
  }
}

type Ended = JobStatus | 'interrupted' | 'manager-gone';

async function watch(
  jobId: string,
  connection: Connection,
  interrupted: AbortSignal,
  output: Output,
): Promise<Ended> {
  const view =
    output.json || output.quiet
      ? null
      : openProgressView(process.stderr, systemClock.nowMs, process.env, output.color);
  let last = '';
  let before: JobStatus | null = null;
  try {
    for (;;) {
      if (interrupted.aborted) return 'interrupted';
      connection.embedded?.diskFull.throwIfAborted();
      const status = await statusOrNull(connection.client, jobId);
      if (status === null) return 'manager-gone';
      const news = newsIn(status, before);
      if (news.length > 0) view?.close();
      for (const line of news) output.detail(line);
      before = status;
      if (isTerminal(status.status)) return status;
      const shown = JSON.stringify([status.status, status.progress, status.counts]);
      if (shown !== last) output.event('progress', { job: status });
      last = shown;
      view?.update(status);
      await systemClock.sleep(POLL_MS, interrupted);
    }
  } finally {
    view?.close();
  }
}

/** What `--verbose` tells on the way. */
function newsIn(status: JobStatus, before: JobStatus | null): string[] {
  const news: string[] = [];
  if (before !== null && before.status !== status.status) {
    const ms = status.state_ms[before.status];
    news.push(`${before.status.padEnd(10)} took ${ms === undefined ? 'no time' : formatDuration(ms)}`);
  }
  if (status.progress.total_rows !== null && (before?.progress.total_rows ?? null) === null)
    news.push(
      `input      ${counted(status.progress.total_rows, 'row')} in ${counted(status.shards.total, 'shard')}`,
    );
  if (status.settings !== null && (before?.settings ?? null) === null) {
    const { workers, memory_mb_per_worker: memory, threads_per_worker: threads } = status.settings;
    news.push(
      `settings   workers ${workers}, each with ${formatCount(memory)} MiB of memory and ${counted(threads, 'thread')}; batches of ${counted(status.settings.batch_size, 'row')}`,
    );
  }
  if (status.retries > (before?.retries ?? 0)) news.push(`retries    ${status.retries} so far`);
  return news;
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
    const keyNames = await keyNamesOf(jobId, connection.client);
    const context = {
      peakMemoryBytes,
      nowMs: systemClock.nowMs(),
      ...(keyNames === null ? {} : { keyNames }),
    };
    output.result(jobReport(ended, context), {
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
      `${jobId} goes on in process ${connection.endpoint.pid}.\nTo end it: batchwright cancel ${jobId}`,
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
  output.note(
    `${jobId} is unfinished, ${counted(last.counts.read, 'row')} done.\nTo go on: batchwright resume ${jobId}`,
  );
  return INTERRUPTED;
}

/** Null: the job has a key, or never came to know its columns, or nobody answers any more. */
async function keyNamesOf(jobId: string, client: BatchClient): Promise<string[] | null> {
  try {
    const { input } = await client.detail(jobId);
    return input === null || input.key !== null ? null : keysByName(input.columns);
  } catch (error) {
    if (error instanceof Failure && error.code === 'MANAGER_UNREACHABLE') return null;
    throw error;
  }
}
