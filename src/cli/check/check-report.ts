import { ERROR_CODES, isErrorCode } from '../../core/error-codes.ts';
import { versionText } from '../../core/model-version.ts';
import type { PredictionFacts } from '../../data/prediction-facts.ts';
import { counted, formatBytes, formatCount, formatDuration } from '../format.ts';
import { helpWidth } from '../help.ts';
import { belowMessage } from '../output.ts';
import { sampleRows } from '../sample-rows.ts';
import { paint } from '../style.ts';
import { formatTable } from '../table.ts';
import { foldedAt } from '../text-width.ts';
import { oneLine } from '../visible-text.ts';
import type { CheckedBinding, CheckedSample, CheckResult } from './check-result.ts';
import type { Estimate } from './estimate.ts';

/** Columns of one input that are listed one by one. */
const MOST_COLUMNS = 12;

/** What a look before the job has found, for people: facts first, then what is wrong, then what to do next. */
export function checkReport(result: CheckResult, runCommand: string): string {
  const sections = [
    facts(result),
    ...(result.binding === null ? [] : [binding(result.binding)]),
    ...(result.sample === null ? [] : [sample(result)]),
    ...(result.estimate === null ? [] : [estimate(result.estimate)]),
    ...(result.warnings.length === 0 ? [] : [warnings(result.warnings)]),
    ...(result.problems.length === 0 ? [] : [problems(result)]),
    verdict(result, runCommand),
  ];
  return sections.join('\n\n');
}

/** Columns that are named as possible keys. */
const MOST_KEYS = 3;

function line(label: string, value: string): string {
  return `${label.padEnd(9)} ${value}`;
}

function facts({ model, input, output, sample: scored, resumes }: CheckResult): string {
  const lines: string[] = [];
  if (model !== null) {
    const { registered, sha256, reference } = model;
    const name =
      registered === null
        ? oneLine(reference)
        : `${versionText(registered)}${registered.alias === null ? '' : ` (now ${registered.alias})`}`;
    lines.push(line('model', `${name}, sha256 ${sha256.slice(0, 12)}...`));
  }
  if (input !== null) {
    const rows = input.rows_exact
      ? counted(input.rows, 'row')
      : `about ${counted(input.rows, 'row')} (reckoned from their beginnings; --full counts)`;
    const files = counted(input.files, `${input.source} file`);
    const what =
      input.source === 'sql' || input.source === 'table'
        ? `${input.source === 'sql' ? 'a query' : 'a table'}, read in full`
        : `${files}, ${formatBytes(input.size_bytes)}`;
    lines.push(line('input', `${what}, ${rows}`));
    if (input.files_looked_at < input.files)
      lines.push(line('', `${input.files_looked_at} of the files looked at`));
    if (input.prepared) lines.push(line('', 'prepared in full: rows and columns are those of the result'));
    if (input.malformed_lines > 0)
      lines.push(line('', `${counted(input.malformed_lines, 'malformed line')} found`));
  }
  const key = scored?.key ?? null;
  if (key !== null) {
    const unique = key.twice === null ? 'all different' : `${formatCount(key.distinct)} different`;
    const nulls = key.never_null ? ', never null in the files' : '';
    lines.push(line('key', `${oneLine(key.column)}: ${formatCount(key.rows)} sampled, ${unique}${nulls}`));
  }
  const keyless = input?.keyless ?? null;
  if (keyless !== null) {
    lines.push(line('key', 'none: rows are told by file and row number, the first row is 0'));
    const shown = keyless.columns.slice(0, MOST_KEYS).map(oneLine).join(', ');
    const many = keyless.columns.length > MOST_KEYS ? ' ...' : '';
    if (shown !== '') lines.push(line('', `could be input.key: ${shown}${many} (no null, nothing twice)`));
  }
  const state = output.usable ? paint('good', 'can be written') : paint('bad', 'cannot be used');
  const free = output.free_bytes === null ? '' : `, ${formatBytes(output.free_bytes)} free`;
  lines.push(line('output', `${oneLine(output.location)}`));
  lines.push(line('', `${output.destination}, mode ${output.mode}: ${state}${free}`));
  if (resumes !== null) lines.push(line('job', `goes on with the unfinished ${resumes}`));
  return lines.join('\n');
}

function width(): number {
  return Math.min(helpWidth(), 80);
}

function binding({ inputs, outputs }: CheckedBinding): string {
  const rows = inputs.flatMap(({ input, type, shape, columns }) => {
    const shown = columns
      .slice(0, MOST_COLUMNS)
      .map(({ column, type: own, note }, at) => [
        at === 0 ? input : '',
        at === 0 ? `${type} ${shape}` : '',
        column,
        own,
        note,
      ]);
    const rest = columns.length - shown.length;
    return rest > 0 ? [...shown, ['', '', `... ${rest} more`, '', '']] : shown;
  });
  const shownOutputs = outputs.slice(0, 2 * MOST_COLUMNS);
  const more = outputs.length - shownOutputs.length;
  return [
    formatTable(
      [
        { header: 'MODEL INPUT', least: 8 },
        { header: 'TAKES', least: 8 },
        { header: 'COLUMN', least: 10 },
        { header: 'TYPE', least: 7 },
        { header: 'HOW', least: 10, folds: true },
      ],
      rows,
      helpWidth(),
    ),
    '',
    formatTable(
      [
        { header: 'RESULT COLUMN', least: 12 },
        { header: 'TYPE', least: 8 },
        { header: 'FROM', least: 12, folds: true },
      ],
      [
        ...shownOutputs.map(({ column, type, from }) => [column, type, from]),
        ...(more > 0 ? [[`... ${more} more`, '', '']] : []),
      ],
      width(),
    ),
  ].join('\n');
}

function sample({ sample: found }: CheckResult): string {
  const { counts, places, rejects, predictions } = found as CheckedSample;
  const from = places > 1 ? ` from ${places} places` : '';
  const filtered = counts.filtered === 0 ? '' : `, ${formatCount(counts.filtered)} filtered`;
  const rejected = `${formatCount(counts.rejected)} rejected`;
  const lines = [
    `${paint('strong', 'Sample')}: ${counted(counts.read, 'row')}${from}: ${formatCount(counts.scored)} scored, ${counts.rejected > 0 ? paint('warn', rejected) : rejected}${filtered}`,
  ];
  for (const { code, rows, causes } of rejects.groups) {
    lines.push(`  ${paint('warn', code)}  ${counted(rows, 'row')}`);
    for (const cause of causes) {
      lines.push(...folded(`${formatCount(cause.rows)} x ${oneLine(cause.message)}`, 4));
      lines.push(...folded(sampleRows(cause, rejects.key), 8));
    }
    if (isErrorCode(code)) lines.push(...folded(`What to do: ${ERROR_CODES[code].next}`, 4));
  }
  if (predictions.length > 0) lines.push('', predictionTable(predictions));
  return lines.join('\n');
}

function predictionTable(predictions: readonly PredictionFacts[]): string {
  const shown = predictions.slice(0, 2 * MOST_COLUMNS);
  return formatTable(
    [
      { header: 'PREDICTION', least: 10 },
      { header: 'LEAST', align: 'right' },
      { header: 'MEAN', align: 'right' },
      { header: 'MOST', align: 'right' },
      { header: 'VALUES', least: 10, folds: true },
    ],
    [
      ...shown.map(({ column, range, nonFinite, values }) => [
        column,
        ...(range === null ? ['', '', ''] : [range.least, range.mean, range.most].map(figure)),
        [
          ...(nonFinite === 0 ? [] : [`${formatCount(nonFinite)} NaN or infinite`]),
          ...(values ?? []).map(({ value, rows }) => `${value}: ${formatCount(rows)}`),
        ].join(', '),
      ]),
      ...(predictions.length > shown.length
        ? [[`... ${predictions.length - shown.length} more`, '', '', '', '']]
        : []),
    ],
    width(),
  );
}

function figure(value: number): string {
  return Number.isInteger(value) && Math.abs(value) < 1e6 ? String(value) : value.toPrecision(4);
}

function estimate(found: Estimate): string {
  const workers = counted(found.workers, 'worker');
  const total = found.memory_mb_per_worker * found.workers;
  const span = `${formatDuration(found.duration_least_ms)} to ${formatDuration(found.duration_most_ms)}`;
  // A single figure would promise what nobody can know.
  const about =
    found.load > found.cores
      ? `${span}, as far as can be told`
      : `about ${formatDuration(found.duration_ms)} (${span}), ${formatDuration(found.fixed_ms)} of it to start and to end`;
  return [
    `${paint('strong', 'Estimate')}: ${about}`,
    ...folded(
      `speed: ${formatCount(found.rows_per_second)} rows/s with ${workers}, batches of ${formatCount(found.batch_size)}; measured with one worker on ${counted(found.measured_rows, 'row')}`,
      2,
    ),
    ...folded(
      `memory: about ${formatCount(found.memory_mb_per_worker)} MiB for each worker (limit ${formatCount(found.memory_limit_mb_per_worker)} MiB), ${formatCount(total)} MiB in all`,
      2,
    ),
    ...(found.load > found.cores / 2
      ? folded(`this machine is busy (load ${found.load} on ${counted(found.cores, 'core')}): times vary`, 2)
      : []),
    ...folded(`result: about ${formatBytes(found.output_bytes)}`, 2),
  ].join('\n');
}

function warnings(all: readonly string[]): string {
  return [
    paint('warn', all.length === 1 ? 'Note' : 'Notes'),
    ...all.flatMap((warning) => folded(oneLine(warning), 2)),
  ].join('\n');
}

const MOST_PROBLEMS = 20;

function problems({ problems: all }: CheckResult): string {
  const lines = [paint('bad', counted(all.length, 'problem'))];
  for (const [at, { code, message, next, details }] of all.slice(0, MOST_PROBLEMS).entries()) {
    const [first = '', ...rest] = folded(`${at + 1}. ${code}: ${oneLine(message)}`, 2);
    lines.push(first.replace(code, paint('bad', code)), ...rest.map((each) => `   ${each}`));
    lines.push(
      ...belowMessage({ next, ...(details === undefined ? {} : { details }) }).map((each) => `   ${each}`),
    );
  }
  if (all.length > MOST_PROBLEMS) lines.push(`  and ${all.length - MOST_PROBLEMS} more`);
  return lines.join('\n');
}

function verdict({ ready, problems: all }: CheckResult, runCommand: string): string {
  if (ready) return `${paint('good', 'Ready.')} Nothing was written. Start it with:\n  ${runCommand}`;
  const what = all.length === 1 ? 'the problem' : 'the problems';
  return `${paint('bad', 'Not ready.')} Nothing was written. Settle ${what} above, then check again.`;
}

function folded(text: string, indent: number): string[] {
  return foldedAt(text, width() - indent).map((each) => `${' '.repeat(indent)}${each}`);
}
