import type { JobStatus } from '../core/wire.ts';
import { counted, formatCount, formatDuration } from './format.ts';
import { createPace, type Pace } from './pace.ts';
import { paint, render, stateStyle, usesColor } from './style.ts';
import { fitted, textWidth } from './text-width.ts';
import { oneLine } from './visible-text.ts';

/** Shows a job's course while it runs. */
export interface ProgressView {
  update(status: JobStatus): void;
  /** Ends what is being drawn, so that other lines can follow; the next update draws anew. */
  close(): void;
}

export interface ProgressStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

const LINE_EVERY_MS = 5_000;
const LINE_WIDTH = 200;

/** On a terminal one line that is drawn over; elsewhere a line when the state changes and every five seconds. */
export function openProgressView(
  stream: ProgressStream,
  nowMs: () => number,
  environment: Readonly<Record<string, string | undefined>>,
  colorFlag: boolean,
): ProgressView {
  const color = usesColor({ isTerminal: stream.isTTY === true, flag: colorFlag, environment });
  const pace = createPace();
  const draws = stream.isTTY === true && environment.TERM !== 'dumb';
  return draws ? liveView(stream, pace, nowMs, color) : lineView(stream, pace, nowMs, color);
}

function liveView(stream: ProgressStream, pace: Pace, nowMs: () => number, color: boolean): ProgressView {
  let drawnWidth = 0;
  const columns = () => stream.columns ?? 80;
  /** A terminal made narrower meanwhile has folded the line: all its rows are wiped. */
  const wipe = () => {
    const rowsUp = Math.max(0, Math.ceil(drawnWidth / columns()) - 1);
    drawnWidth = 0;
    return `${rowsUp > 0 ? `\x1b[${rowsUp}A` : ''}\r\x1b[J`;
  };
  return {
    update(status) {
      const line = progressLine(status, pace.update(status, nowMs()), nowMs(), Math.max(20, columns() - 1));
      const wiped = wipe();
      drawnWidth = textWidth(line);
      stream.write(wiped + render(line, color));
    },
    close() {
      if (drawnWidth > 0) stream.write(wipe());
    },
  };
}

function lineView(stream: ProgressStream, pace: Pace, nowMs: () => number, color: boolean): ProgressView {
  let lastMs = Number.NEGATIVE_INFINITY;
  let lastState = '';
  return {
    update(status) {
      const rate = pace.update(status, nowMs());
      if (status.status === lastState && nowMs() - lastMs < LINE_EVERY_MS) return;
      lastMs = nowMs();
      lastState = status.status;
      stream.write(`${render(progressLine(status, rate, nowMs(), LINE_WIDTH), color)}\n`);
    },
    close() {},
  };
}

const LONGEST_BAR = 24;
const SHORTEST_BAR = 8;
const GAP = '  ';

/** State, bar, per cent, time left, rejects, rows, rate, retries, workers: as much of it, in this order, as fits `width`. */
export function progressLine(
  status: JobStatus,
  rowsPerSecond: number | null,
  nowMs: number,
  width: number,
): string {
  const { progress, counts } = status;
  const state = paint(stateStyle(status.status), status.status.padEnd(10));
  if (status.status !== 'running' || progress.total_rows === null) {
    const elapsed = formatDuration(Math.max(0, nowMs - Date.parse(status.created_at)));
    return fitted(`${state} ${oneLine(status.name)}${GAP}${elapsed}`, width);
  }
  const left = progress.total_rows - progress.processed_rows;
  const parts = [
    `${progress.percentage.toFixed(1)}%`,
    ...(rowsPerSecond === null || rowsPerSecond <= 0 ? [] : [`${formatLeft(left / rowsPerSecond)} left`]),
    ...(counts.rejected > 0 ? [paint('warn', `${formatCount(counts.rejected)} rejected`)] : []),
    `${formatCount(progress.processed_rows)} of ${counted(progress.total_rows, 'row')}`,
    ...(rowsPerSecond === null ? [] : [`${counted(rowsPerSecond, 'row')}/s`]),
    ...(status.retries > 0 ? [`${status.retries} retried`] : []),
    counted(status.workers, 'worker'),
  ];
  let text = state;
  let room = width - textWidth(state) - (SHORTEST_BAR + 1);
  let told = '';
  for (const part of parts) {
    const needed = textWidth(part) + GAP.length;
    if (needed > room) break;
    room -= needed;
    told += GAP + part;
  }
  const bar = Math.min(LONGEST_BAR, SHORTEST_BAR + room);
  const done = Math.max(0, Math.min(bar, Math.round((bar * progress.percentage) / 100)));
  text += ` ${'█'.repeat(done)}${'░'.repeat(bar - done)}`;
  return text + told;
}

/** An estimate, without tenths of a second that nobody knows. */
function formatLeft(seconds: number): string {
  return seconds < 60 ? `${Math.ceil(seconds)} s` : formatDuration(1_000 * seconds);
}
