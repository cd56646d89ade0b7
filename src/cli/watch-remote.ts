import { exitCodeOf } from '../core/exit-codes.ts';
import { isTerminal } from '../core/states.ts';
import type { JobStatus } from '../core/wire.ts';
import { INTERRUPTED, watchInterrupts } from './interrupts.ts';
import { jobReport } from './job-report.ts';
import type { Output } from './output.ts';
import { openProgressView } from './progress-view.ts';
import type { RemoteServer } from './remote-server.ts';
import { systemClock } from './system-ports.ts';

const POLL_MS = 1_000;

/** Shows the course of a job of a server to its end, and reports it. Ctrl-C ends the watching, not the job. Returns the exit code. */
export async function watchRemote({ client }: RemoteServer, jobId: string, output: Output): Promise<number> {
  const interrupts = watchInterrupts(output);
  const quiet = output.json || output.quiet;
  const view = quiet ? null : openProgressView(process.stderr, systemClock.nowMs, process.env, output.color);
  let last = '';
  try {
    for (;;) {
      if (interrupts.first.aborted) {
        view?.close();
        output.note(`${jobId} goes on.`);
        return INTERRUPTED;
      }
      const job = await client.status(jobId);
      if (isTerminal(job.status)) {
        view?.close();
        return reportEnd(job, output);
      }
      const shown = JSON.stringify([job.status, job.progress]);
      if (shown !== last) output.event('progress', { job });
      last = shown;
      view?.update(job);
      await systemClock.sleep(POLL_MS, interrupts.first);
    }
  } finally {
    view?.close();
    interrupts.stop();
  }
}

function reportEnd(job: JobStatus, output: Output): number {
  output.result(jobReport(job, { peakMemoryBytes: null, nowMs: systemClock.nowMs() }), {
    event: job.status,
    job,
  });
  if (job.status === 'completed') return 0;
  if (job.status === 'cancelled') return 3;
  return job.error === null ? 1 : exitCodeOf(job.error.code);
}
