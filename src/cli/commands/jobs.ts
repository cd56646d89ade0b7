import { Command, InvalidArgumentError, Option } from 'commander';
import { nearest } from '../../core/nearest.ts';
import { isTerminal, JOB_STATES, type JobState } from '../../core/states.ts';
import type { JobListFilter, JobStatus } from '../../core/wire.ts';
import { finish, type StateOptions, stateOption, withCommonOptions } from '../common-options.ts';
import { look } from '../connect.ts';
import { formatCount, formatDuration } from '../format.ts';
import { examples, withHelp } from '../help.ts';
import type { Output } from '../output.ts';
import { hasState } from '../state-folder.ts';
import { stateStyle } from '../style.ts';
import { systemClock } from '../system-ports.ts';
import { type Cell, formatTable, type TableColumn } from '../table.ts';

interface JobsOptions extends StateOptions {
  readonly limit: number;
  readonly status?: readonly JobState[];
  readonly name?: string;
  readonly since?: number;
}

export function jobsCommand(): Command {
  const command = new Command('jobs')
    .summary('list jobs, newest first')
    .description('Lists jobs, newest first. Looks only: nothing is started, and no folder is made.')
    .addOption(
      new Option('--status <states>', `only in these states: ${[...JOB_STATES, 'unfinished'].join(', ')}`)
        .argParser(parseStates)
        .helpGroup(FILTERS),
    )
    .addOption(new Option('--name <text>', 'only with this in their name').helpGroup(FILTERS))
    .addOption(
      new Option('--since <time>', 'only created since: 30m, 12h, 7d ago, or a date such as 2026-01-31')
        .argParser(parseSince)
        .helpGroup(FILTERS),
    )
    .addOption(
      new Option('--limit <count>', 'at most so many, 1 to 1000')
        .argParser(parseLimit)
        .default(50)
        .helpGroup(FILTERS),
    )
    .addOption(stateOption());
  return withHelp(
    withCommonOptions(command),
    examples(
      ['What is left to do', 'batchwright jobs --status unfinished'],
      ['What failed this week', 'batchwright jobs --status failed --since 7d'],
    ),
  ).action((options: JobsOptions) => finish(options, (output) => jobs(options, output)));
}

const FILTERS = 'Filters:';

async function jobs({ state, limit, status, name, since }: JobsOptions, output: Output): Promise<number> {
  if (!hasState(state)) {
    output.result(`No jobs yet in ${state}. Start one with: batchwright run job.yaml`, { jobs: [] });
    return 0;
  }
  const filter: JobListFilter = {
    limit,
    ...(status === undefined ? {} : { states: status }),
    ...(name === undefined ? {} : { name }),
    ...(since === undefined ? {} : { sinceMs: since }),
  };
  const { client, pid, close } = await look(state);
  try {
    output.detail(pid === null ? 'No manager is running.' : `The manager is process ${pid}.`);
    const found = await client.list(filter);
    const filtered = Object.keys(filter).length > 1;
    const none = filtered ? 'No job fits.' : 'No jobs yet. Start one with: batchwright run job.yaml';
    output.result(found.length === 0 ? none : formatTable(COLUMNS, found.map(cellsOf), output.width), {
      jobs: found,
    });
    if (found.length === limit) output.note(`The newest ${limit}; --limit shows more.`);
    return 0;
  } finally {
    await close();
  }
}

const COLUMNS: readonly TableColumn[] = [
  { header: 'JOB' },
  { header: 'STATE' },
  { header: 'DONE', align: 'right' },
  { header: 'SCORED', align: 'right', leaveOut: 2 },
  { header: 'REJECTED', align: 'right', leaveOut: 1 },
  { header: 'CREATED (UTC)', leaveOut: 3 },
  { header: 'TOOK', align: 'right', leaveOut: 4 },
  { header: 'NAME', least: 8 },
];

function cellsOf(job: JobStatus): Cell[] {
  return [
    job.job_id,
    { text: job.status, style: stateStyle(job.status) },
    `${job.progress.percentage.toFixed(1)}%`,
    formatCount(job.counts.scored),
    job.counts.rejected === 0 ? '0' : { text: formatCount(job.counts.rejected), style: 'warn' },
    job.created_at.slice(0, 19).replace('T', ' '),
    job.finished_at === null ? '' : formatDuration(Date.parse(job.finished_at) - Date.parse(job.created_at)),
    job.name,
  ];
}

function parseStates(text: string): JobState[] {
  const unfinished = JOB_STATES.filter((state) => !isTerminal(state));
  return text.split(',').flatMap((part) => {
    const word = part.trim().toLowerCase();
    if (word === 'unfinished') return unfinished;
    const state = JOB_STATES.find((each) => each === word);
    if (state !== undefined) return [state];
    const near = nearest(word, [...JOB_STATES, 'unfinished']);
    throw new InvalidArgumentError(
      `There is no state ${part.trim()}. ${near === undefined ? `The states are ${JOB_STATES.join(', ')}.` : `Did you mean ${near}?`}`,
    );
  });
}

const UNIT_MS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };

/** Epoch ms. */
function parseSince(text: string): number {
  const [, count, unit = ''] = /^(\d+(?:\.\d+)?)\s*([mhdw])$/.exec(text) ?? [];
  if (count !== undefined) return systemClock.nowMs() - Number(count) * (UNIT_MS[unit] ?? 0);
  // A date without a time is one in UTC, as the table shows it.
  const time = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text.replace(' ', 'T')) : Number.NaN;
  if (Number.isFinite(time)) return time;
  throw new InvalidArgumentError('It takes 30m, 12h, 7d, 2w or a date such as 2026-01-31.');
}

function parseLimit(text: string): number {
  const limit = Number(text);
  if (Number.isInteger(limit) && limit >= 1 && limit <= 1_000) return limit;
  throw new InvalidArgumentError('It takes a whole number from 1 to 1000.');
}
