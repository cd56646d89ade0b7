import { Command } from 'commander';
import { Failure } from '../../core/errors.ts';
import type { JobDetail } from '../../core/wire.ts';
import type { RejectGroups } from '../../data/reject-groups.ts';
import { inputPlaces } from '../../spec/input-places.ts';
import type { JobSpec } from '../../spec/job-spec.ts';
import { finish, type StateOptions, stateOption, withCommonOptions } from '../common-options.ts';
import { look } from '../connect.ts';
import { JOB_ARGUMENT, withJob } from '../find-job.ts';
import { counted, formatBytes, formatCount } from '../format.ts';
import { examples, withHelp } from '../help.ts';
import { type JobRejects, rejectsOf } from '../job-files.ts';
import { headline, jobLines, modelText, outcomeLines, reportLine } from '../job-report.ts';
import type { Output } from '../output.ts';
import { rejectReport } from '../reject-report.ts';
import { systemClock } from '../system-ports.ts';
import { oneLine } from '../visible-text.ts';

export function showCommand(): Command {
  const command = new Command('show')
    .summary('show a job, and why rows were rejected')
    .description(
      'Shows a job: its state, rows, times, model, input, settings, where its output and log are; and its rejected rows, grouped by cause, with what to do about each.',
    )
    .argument('[job]', JOB_ARGUMENT, 'latest')
    .addOption(stateOption());
  return withHelp(
    withCommonOptions(command),
    examples(
      ['The latest job', 'batchwright show'],
      ['Another, for a program', 'batchwright show job-3f2a --json'],
    ),
  ).action((job: string, options: StateOptions) =>
    finish(options, (output) => show(job, options.state, output)),
  );
}

async function show(wanted: string, state: string, output: Output): Promise<number> {
  const detail = await detailOf(wanted, state);
  const { job } = detail;
  const rejects = await rejectsIn(detail);
  const context = { peakMemoryBytes: null, nowMs: systemClock.nowMs() };
  const lines = [
    headline(job, context),
    '',
    ...settingLines(detail),
    ...jobLines(job, context),
    reportLine('log', oneLine(detail.log_file)),
    ...outcomeLines(job).filter((line) => rejects === null || !line.includes('batchwright show')),
    ...(rejects === null ? [] : rejects.lines(output.width)),
  ];
  output.result(lines.join('\n'), {
    ...detail,
    rejects: rejects === null ? null : (rejects.groups ?? { gone: true }),
  });
  return 0;
}

async function detailOf(wanted: string, state: string): Promise<JobDetail> {
  const { client, close } = await look(state);
  try {
    return await withJob(client, wanted, client.detail);
  } finally {
    await close();
  }
}

interface ShownRejects {
  /** Null: the files are gone. */
  readonly groups: RejectGroups | null;
  lines(width: number | null): string[];
}

async function rejectsIn(detail: JobDetail): Promise<ShownRejects | null> {
  let found: JobRejects | null;
  try {
    found = rejectsOf(detail);
  } catch (error) {
    if (!(error instanceof Failure) || error.code !== 'RESULT_GONE') throw error;
    return { groups: null, lines: () => ['', `  ${error.message}`] };
  }
  if (found === null) return null;
  const { files, key } = found;
  const { groupRejects } = await import('../../data/reject-groups.ts');
  const groups = await groupRejects(files, key);
  return { groups, lines: (width) => rejectReport(detail.job.job_id, groups, files, width) };
}

function settingLines({ job, specification, model_sha256: sha256, input }: JobDetail): string[] {
  const spec = specification as JobSpec;
  const { config } = spec;
  const pinned = input === null ? '' : `${counted(input.files, 'file')}, ${formatBytes(input.size_bytes)}: `;
  const budget =
    'count' in config.error_budget
      ? counted(config.error_budget.count, 'reject')
      : `${Number((config.error_budget.share * 100).toPrecision(12))}% rejects`;
  return [
    reportLine('model', `${modelText(job)}, sha256 ${sha256.slice(0, 12)}`),
    reportLine('input', `${pinned}${inputPlaces(spec.input).map(oneLine).join(', ')}`),
    ...(spec.input.where === undefined ? [] : [reportLine('where', oneLine(spec.input.where))]),
    reportLine(
      'key',
      input?.key === undefined || input.key === null
        ? 'file and row number (the first row is 0)'
        : oneLine(input.key),
    ),
    reportLine(
      'settings',
      `batches of ${formatCount(config.batch_size)}, ${counted(config.parallelism, 'worker')} at most, ${counted(config.retry_count, 'retry', 'retries')}, ${budget} allowed, ${config.timeout_minutes} min at most`,
    ),
  ];
}
