import { Command, Option } from 'commander';
import { isErrorCode } from '../../core/error-codes.ts';
import { MALFORMED_COLUMNS } from '../../core/malformed-columns.ts';
import { addedName, exportedPlace, rejectColumns, rejectTypes } from '../../data/reject-columns.ts';
import type { TableSource } from '../../data/table-reader.ts';
import { finish, type StateOptions, stateOption, withCommonOptions } from '../common-options.ts';
import { exportRows, type RowsWish, rowOptions } from '../export-rows.ts';
import { findResult, RESULT_ARGUMENT } from '../find-result.ts';
import { examples, withHelp } from '../help.ts';
import { type JobRejects, rejectsOf } from '../job-files.ts';
import type { Output } from '../output.ts';
import { unknownCode } from './explain.ts';

interface RejectsOptions extends StateOptions, RowsWish {
  readonly code?: string;
}

export function rejectsCommand(): Command {
  const command = new Command('rejects')
    .summary('show or export the rejected rows of a job')
    .description(
      `Shows or exports the rejected rows of a job, for repair: the columns of the input under their own names, with their exact values, after ${ADDED.join(' and ')}.`,
    )
    .argument('[job|folder]', RESULT_ARGUMENT, 'latest')
    .addOption(new Option('--code <code>', 'only those with this code'));
  for (const option of [...rowOptions(), stateOption()]) command.addOption(option);
  return withHelp(
    withCommonOptions(command),
    examples(
      ['Which rows, and why', 'batchwright rejects'],
      ['Those with a null, for repair', 'batchwright rejects latest --code NULL_FEATURE --to repair.csv'],
    ),
  ).action((wanted: string, options: RejectsOptions) =>
    finish(options, (output) => rejects(wanted, options, output)),
  );
}

async function rejects(wanted: string, options: RejectsOptions, output: Output): Promise<number> {
  const code = options.code?.toUpperCase().replaceAll('-', '_');
  if (code !== undefined && !isErrorCode(code)) throw unknownCode(options.code ?? '');
  const found = await findResult(wanted, options.state);
  const all: readonly (JobRejects | null)[] =
    found.kind === 'job'
      ? [rejectsOf(found.detail)]
      : found.results.map(({ files, inputColumns, key }) => ({
          files: files.filter(({ kind }) => kind === 'rejects'),
          inputColumns,
          key,
        }));
  const sources = all.flatMap((each) => (each === null || each.files.length === 0 ? [] : [sourceOf(each)]));
  if (sources.length === 0) {
    const sorry =
      found.kind === 'job' ? `${found.detail.job.job_id} has no rejected rows.` : 'No row was rejected.';
    if (!output.json) output.result(sorry, {});
    return 0;
  }
  const equal = code === undefined ? null : { column: codeColumn(all), text: code };
  await exportRows({ sources, where: null, equal }, options, output);
  return 0;
}

/** What is put before the columns of the input; with `_` behind it where an input has a column of that name. */
const ADDED = ['reject_code', 'reject_message'] as const;

function sourceOf({ files, inputColumns: typed, key }: JobRejects): TableSource {
  const inputColumns = typed.map(({ name }) => name);
  const [code, message] = addedNames(inputColumns);
  const place = key === null ? ['source_file', 'source_row'] : [];
  const originals = rejectColumns(inputColumns, key ?? undefined);
  const taken = new Set(inputColumns.map((name) => name.toLowerCase()));
  const { file, line } = exportedPlace(inputColumns);
  // A malformed record has no key: a repair is told by the place that it was read from.
  const malformed =
    key === null
      ? []
      : [
          { stored: MALFORMED_COLUMNS.file, name: file, isOptional: true },
          { stored: MALFORMED_COLUMNS.line, name: line, isOptional: true },
        ];
  return {
    paths: files.map(({ path }) => path),
    columns: [
      { stored: 'code', name: code },
      { stored: 'message', name: message },
      ...place.filter((name) => !taken.has(name)).map((name) => ({ stored: name, name })),
      ...originals.map(({ original, stored }) => ({ stored, name: original })),
      ...malformed,
    ],
    stored: rejectTypes(typed, key ?? undefined),
  };
}

function codeColumn(all: readonly (JobRejects | null)[]): string {
  const [first] = all.flatMap((each) =>
    each === null ? [] : [addedNames(each.inputColumns.map(({ name }) => name))[0]],
  );
  return first ?? ADDED[0];
}

function addedNames(inputColumns: readonly string[]): [code: string, message: string] {
  return [addedName(ADDED[0], inputColumns), addedName(ADDED[1], inputColumns)];
}
