import type { JobStatus } from '../core/wire.ts';
import { formatCount, formatDuration, formatRate } from './format.ts';

/** Shows a job's course while it runs. */
export interface ProgressView {
  update(status: JobStatus): void;
  /** Ends what is being drawn, so that other lines can follow. */
  close(): void;
}

const LINE_EVERY_MS = 5_000;
const BAR_WIDTH = 24;

/** On a terminal one line that is drawn over; elsewhere a line when the state changes and every five seconds. */
export function openProgressView(stream: NodeJS.WriteStream, nowMs: () => number): ProgressView {
  return stream.isTTY ? liveView(stream, nowMs) : lineView(stream, nowMs);
}

function liveView(stream: NodeJS.WriteStream, nowMs: () => number): ProgressView {
  let drawn = false;
  return {
    update(status) {
      const line = progressLine(status, nowMs()).slice(0, Math.max(20, stream.columns - 1));
      stream.write(`\r\x1b[2K${line}`);
      drawn = true;
    },
    close() {
      if (drawn) stream.write('\r\x1b[2K');
      drawn = false;
    },
  };
}

function lineView(stream: NodeJS.WriteStream, nowMs: () => number): ProgressView {
  let lastMs = Number.NEGATIVE_INFINITY;
  let lastState = '';
  return {
    update(status) {
      if (status.status === lastState && nowMs() - lastMs < LINE_EVERY_MS) return;
      lastMs = nowMs();
      lastState = status.status;
      stream.write(`${progressLine(status, nowMs())}\n`);
    },
    close() {},
  };
}

export function progressLine(status: JobStatus, nowMs: number): string {
  const { progress, counts } = status;
  if (status.status !== 'running' || progress.total_rows === null)
    return `${status.status.padEnd(10)} ${status.name}`;
  const done = Math.round((BAR_WIDTH * progress.percentage) / 100);
  const bar = `${'#'.repeat(done)}${'-'.repeat(BAR_WIDTH - done)}`;
  const parts = [
    `running    [${bar}] ${progress.percentage.toFixed(1)}%`,
    `${formatCount(progress.processed_rows)} of ${formatCount(progress.total_rows)} rows`,
  ];
  if (status.started_at !== null)
    parts.push(formatRate(progress.processed_rows, nowMs - Date.parse(status.started_at)));
  if (status.estimated_completion !== null) {
    parts.push(`${formatDuration(Math.max(0, Date.parse(status.estimated_completion) - nowMs))} left`);
  }
  parts.push(`${status.workers} worker${status.workers === 1 ? '' : 's'}`);
  if (counts.rejected > 0) parts.push(`${formatCount(counts.rejected)} rejected`);
  if (status.retries > 0) parts.push(`${status.retries} retried`);
  return parts.join('  ');
}
