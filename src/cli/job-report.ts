import type { JobStatus } from '../core/wire.ts';
import { formatBytes, formatCount, formatDuration, formatRate } from './format.ts';

/** A job in full, as `run` shows it at the end and `show` at any time. */
export function jobReport(status: JobStatus, peakMemoryBytes: number | null): string {
  const { counts, timings } = status;
  const lines = [`${headline(status)}`, ''];
  const row = (label: string, value: string) => lines.push(`  ${label.padEnd(10)} ${value}`);

  row('rows', rows(status));
  if (status.scoring_ms !== null) {
    const scoring = `${formatRate(counts.read, status.scoring_ms)} while scoring`;
    row('speed', `${scoring}, ${formatRate(counts.read, total(status))} from start to end`);
  }
  const steps = Object.entries(status.state_ms).filter(([, ms]) => ms !== undefined);
  if (steps.length > 0)
    row('steps', steps.map(([state, ms]) => `${state} ${formatDuration(ms ?? 0)}`).join(', '));
  if (timings.modelMs > 0) {
    row(
      'workers',
      `read ${formatDuration(timings.readMs)}, model ${formatDuration(timings.modelMs)}, write ${formatDuration(timings.writeMs)}`,
    );
  }
  row('shards', `${status.shards.accepted} of ${status.shards.total} done, ${status.retries} retried`);
  if (peakMemoryBytes !== null) row('memory', `${formatBytes(peakMemoryBytes)} at most, all processes`);
  const { published, location } = status.output;
  row('output', published === null ? `${location} (not published)` : published.location);
  if (published !== null) row('manifest', published.manifest);
  for (const warning of status.warnings) row('warning', warning);
  if (status.error !== null)
    lines.push('', `  ${status.error.code}: ${status.error.message}`, `  ${status.error.next}`);
  return lines.join('\n');
}

function headline(status: JobStatus): string {
  const took = status.finished_at === null ? '' : ` in ${formatDuration(total(status))}`;
  return `${status.job_id} "${status.name}" ${status.status}${took}`;
}

function rows({ counts, status, progress }: JobStatus): string {
  const { read, scored, rejected, filtered } = counts;
  const of =
    progress.total_rows === null || status === 'completed' ? '' : ` of ${formatCount(progress.total_rows)}`;
  return `${formatCount(read)}${of} read = ${formatCount(scored)} scored + ${formatCount(rejected)} rejected + ${formatCount(filtered)} filtered`;
}

function total(status: JobStatus): number {
  const end = status.finished_at === null ? Date.now() : Date.parse(status.finished_at);
  return end - Date.parse(status.created_at);
}
