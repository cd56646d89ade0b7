import type { Counts } from '../core/counts.ts';
import { versionText } from '../core/model-version.ts';
import { isTerminal } from '../core/states.ts';
import type { JobStatus } from '../core/wire.ts';
import { counted, formatBytes, formatCount, formatDuration, formatRate } from './format.ts';
import { belowMessage } from './output.ts';
import { paint, stateStyle } from './style.ts';
import { oneLine } from './visible-text.ts';

export interface ReportContext {
  /** Null: not known, or of no interest. */
  readonly peakMemoryBytes: number | null;
  readonly nowMs: number;
  /** Of a job without a key: columns with the name of one. Absent: it has a key, or that is of no interest. */
  readonly keyNames?: readonly string[];
}

/** A job in full, as `run` shows it at the end and `show` at any time. */
export function jobReport(status: JobStatus, context: ReportContext): string {
  const model = reportLine('model', modelText(status));
  return [headline(status, context), '', model, ...jobLines(status, context), ...outcomeLines(status)].join(
    '\n',
  );
}

export function headline(status: JobStatus, { nowMs }: ReportContext): string {
  const took = status.finished_at === null ? '' : ` in ${formatDuration(totalMs(status, nowMs))}`;
  return `${paint('strong', status.job_id)} "${oneLine(status.name)}" ${paint(stateStyle(status.status), status.status)}${took}`;
}

/** The model as the job named it; of one of the registry, the version. */
export function modelText({ model: { reference, registered } }: JobStatus): string {
  if (registered === null) return oneLine(reference);
  const version = versionText(registered);
  return reference === version ? version : `${version}, by ${oneLine(reference)}`;
}

/** A line with a label, as all parts of a report have it. */
export function reportLine(label: string, value: string): string {
  return `  ${label.padEnd(10)} ${value}`;
}

/** Rows, times, output. */
export function jobLines(status: JobStatus, { peakMemoryBytes, nowMs, keyNames }: ReportContext): string[] {
  const { counts, timings } = status;
  const lines = [reportLine('rows', rows(status))];
  if (keyNames !== undefined) {
    const likely = keyNames.length === 0 ? '' : `; could be input.key: ${keyNames.slice(0, 3).join(', ')}`;
    lines.push(reportLine('key', `file and row number, from 0${oneLine(likely)}`));
  }
  if (status.retry !== null) {
    const { of, whole } = status.retry;
    lines.push(reportLine('retry of', of));
    if (whole !== null) lines.push(reportLine('together', countsText(whole)));
  }
  if (status.scoring_ms !== null) {
    const scoring = `${formatRate(counts.read, status.scoring_ms)} while scoring`;
    lines.push(
      reportLine('speed', `${scoring}, ${formatRate(counts.read, totalMs(status, nowMs))} from start to end`),
    );
  }
  const steps = Object.entries(status.state_ms).filter(([, ms]) => ms !== undefined);
  if (steps.length > 0) {
    lines.push(
      reportLine('steps', steps.map(([state, ms]) => `${state} ${formatDuration(ms ?? 0)}`).join(', ')),
    );
  }
  if (timings.modelMs > 0) {
    lines.push(
      reportLine(
        'workers',
        `read ${formatDuration(timings.readMs)}, model ${formatDuration(timings.modelMs)}, write ${formatDuration(timings.writeMs)}`,
      ),
    );
  }
  const resumed = status.resumes === 0 ? '' : `, resumed ${counted(status.resumes, 'time')}`;
  lines.push(
    reportLine(
      'shards',
      `${status.shards.accepted} of ${status.shards.total} done, ${status.retries} retried${resumed}`,
    ),
  );
  if (peakMemoryBytes !== null)
    lines.push(reportLine('memory', `${formatBytes(peakMemoryBytes)} at most, all processes`));
  const { published, location } = status.output;
  lines.push(
    reportLine('output', oneLine(published === null ? `${location} (not published)` : published.location)),
  );
  if (published !== null) lines.push(reportLine('manifest', oneLine(published.manifest)));
  return lines;
}

/** Warnings, the error, and what to do next. */
export function outcomeLines(status: JobStatus): string[] {
  const lines = status.warnings.map((warning) => `  ${paint('warn', 'warning')}    ${warning}`);
  if (status.error !== null) {
    const { code, message } = status.error;
    lines.push('', `  ${paint('bad', code)}: ${message}`, ...belowMessage(status.error));
  }
  if (status.counts.rejected > 0 && isTerminal(status.status))
    lines.push('', `  Why rows were rejected: batchwright show ${status.job_id}`);
  return lines;
}

function rows({ counts, status, progress }: JobStatus): string {
  const of =
    progress.total_rows === null || status === 'completed' ? '' : ` of ${formatCount(progress.total_rows)}`;
  return countsText(counts, of);
}

function countsText({ read, scored, rejected, filtered }: Counts, of = ''): string {
  return `${formatCount(read)}${of} read = ${formatCount(scored)} scored + ${formatCount(rejected)} rejected + ${formatCount(filtered)} filtered`;
}

function totalMs(status: JobStatus, nowMs: number): number {
  const end = status.finished_at === null ? nowMs : Date.parse(status.finished_at);
  return end - Date.parse(status.created_at);
}
