import { Command, Option } from 'commander';
import { finish, type StateOptions, stateOption, withCommonOptions } from '../common-options.ts';
import { downloadRows } from '../download-rows.ts';
import { exportRows, type RowsWish, rowOptions } from '../export-rows.ts';
import { findResult, RESULT_ARGUMENT } from '../find-result.ts';
import { examples, withHelp } from '../help.ts';
import { resultOf } from '../job-files.ts';
import type { Output } from '../output.ts';
import { serverOption } from '../remote-server.ts';

interface ResultsOptions extends StateOptions, RowsWish {
  readonly where?: string;
  readonly server?: string;
}

export function resultsCommand(): Command {
  const command = new Command('results')
    .summary('show or export the rows of a published result')
    .description(
      'Shows the first rows of a published result, or exports rows. Values keep their last digit in every format. A folder needs no state; its manifest says which files belong to it.',
    )
    .argument('[job|folder]', RESULT_ARGUMENT, 'latest')
    .addOption(new Option('--where <condition>', 'only rows for which this is true'));
  for (const option of [...rowOptions(), stateOption(), serverOption()]) command.addOption(option);
  return withHelp(
    withCommonOptions(command),
    examples(
      ['Look at the latest result', 'batchwright results'],
      ['The customers at risk, as CSV', "batchwright results scores/ --where 'p_churn > 0.9' --format csv"],
      ['All of a job, in one file', 'batchwright results job-3f2a --to scores.parquet'],
    ),
  ).action((wanted: string, options: ResultsOptions) =>
    finish(options, (output) => results(wanted, options, output)),
  );
}

async function results(wanted: string, options: ResultsOptions, output: Output): Promise<number> {
  if (options.server !== undefined) return downloadRows(wanted, 'results', options.server, options, output);
  const found = await findResult(wanted, options.state);
  const published = found.kind === 'folder' ? found.results : [resultOf(found.detail)];
  for (const { jobId, files } of published) output.detail(`${jobId}: ${files.length} files`);
  const sources = published.map(({ files, columns }) => ({
    paths: files.flatMap(({ kind, path }) => (kind === 'part' ? [path] : [])),
    columns: null,
    stored: columns,
  }));
  await exportRows({ sources, where: options.where ?? null, equal: null }, options, output);
  return 0;
}
