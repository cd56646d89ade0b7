import { Command, Option } from 'commander';
import { isErrorCode } from '../../core/error-codes.ts';
import { finish, type StateOptions, stateOption, withCommonOptions } from '../common-options.ts';
import { downloadRows } from '../download-rows.ts';
import { exportRows, type RowsWish, rowOptions } from '../export-rows.ts';
import { findResult, RESULT_ARGUMENT } from '../find-result.ts';
import { examples, withHelp } from '../help.ts';
import { type JobRejects, rejectsOf } from '../job-files.ts';
import type { Output } from '../output.ts';
import { ADDED, codeColumn, rejectSource } from '../reject-source.ts';
import { serverOption } from '../remote-server.ts';
import { unknownCode } from './explain.ts';

interface RejectsOptions extends StateOptions, RowsWish {
  readonly code?: string;
  readonly server?: string;
}

export function rejectsCommand(): Command {
  const command = new Command('rejects')
    .summary('show or export the rejected rows of a job')
    .description(
      `Shows or exports the rejected rows of a job, for repair: the columns of the input under their own names, with their exact values, after ${ADDED.join(' and ')}.`,
    )
    .argument('[job|folder]', RESULT_ARGUMENT, 'latest')
    .addOption(new Option('--code <code>', 'only those with this code'));
  for (const option of [...rowOptions(), stateOption(), serverOption()]) command.addOption(option);
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
  if (options.server !== undefined) return downloadRows(wanted, 'rejects', options.server, options, output);
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
  const sources = all.flatMap((each) =>
    each === null || each.files.length === 0 ? [] : [rejectSource(each)],
  );
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
