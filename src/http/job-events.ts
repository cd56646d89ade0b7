import { once } from 'node:events';
import type { FastifyReply } from 'fastify';
import { isTerminal } from '../core/states.ts';
import type { JobService } from '../manager/job-service.ts';

const PAGE = 100;
/** What is between must not take a silent connection for a dead one. */
const SIGN_OF_LIFE_MS = 15_000;
const LOOK_EVERY_MS = 1_000;

/**
 * Sends the events of a job from the ledger, and then each as it happens, until the job has ended or the caller is gone. Who
 * asks again after the last event is answered 204, which ends an EventSource. Fails with JOB_NOT_FOUND.
 */
export async function sendEvents(
  reply: FastifyReply,
  { tenant, jobId, after }: { readonly tenant: string; readonly jobId: string; readonly after: number },
  gone: AbortSignal,
  jobs: JobService,
): Promise<FastifyReply> {
  const { status } = await jobs.status(tenant, jobId);
  let events = await jobs.events(tenant, jobId, after, PAGE);
  if (events.length === 0 && isTerminal(status)) return reply.code(204).send();
  reply.hijack();
  const { raw } = reply;
  raw.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'x-accel-buffering': 'no',
  });
  raw.flushHeaders();
  let last = after;
  let silentMs = 0;
  try {
    while (!gone.aborted) {
      const change = jobs.changed(jobId, LOOK_EVERY_MS);
      for (const { seq, type, at, data } of events) {
        await write(`id: ${seq}\nevent: ${type}\ndata: ${JSON.stringify({ seq, at, type, data })}\n\n`);
        last = seq;
      }
      if (events.some(({ type }) => ENDS.has(type))) break;
      if (events.length < PAGE) await change;
      silentMs = events.length > 0 ? 0 : silentMs + LOOK_EVERY_MS;
      if (silentMs >= SIGN_OF_LIFE_MS) {
        await write(': still here\n\n');
        silentMs = 0;
      }
      if (gone.aborted) break;
      events = await jobs.events(tenant, jobId, last, PAGE);
    }
    raw.end();
  } catch {
    // The headers are sent: all that can be said is that this is not the end. Whoever comes back goes on after the last event.
    raw.destroy();
  }
  return reply;

  async function write(text: string): Promise<void> {
    if (!raw.write(text)) await once(raw, 'drain', { signal: gone });
  }
}

const ENDS: ReadonlySet<string> = new Set(['job.completed', 'job.failed', 'job.cancelled']);
