import { Command, Option } from 'commander';
import { finish, type StateOptions, stateOption, withCommonOptions } from '../common-options.ts';
import { exportRows, ROW_FORMATS, type RowFormat, TABLE_ROWS } from '../export-rows.ts';
import { findResult, RESULT_ARGUMENT } from '../find-result.ts';
import { examples, withHelp } from '../help.ts';
import { resultOf } from '../job-files.ts';
import type { Output } from '../output.ts';
import { parseRowCount, parseRowFile } from '../parse-options.ts';

interface ResultsOptions extends StateOptions {
  readonly limit?: number;
  readonly format?: RowFormat;
  readonly where?: string;
  readonly to?: string;
}

export function resultsCommand(): Command {
  const command = new Command('results')
    .summary('show or export the rows of a published result')
    .description(
      'Shows the first rows of a published result, or exports rows. Values keep their last digit in every format. A folder needs no state; its manifest says which files belong to it.',
    )
    .argument('[job|folder]', RESULT_ARGUMENT, 'latest')
    .addOption(
      new Option('--limit <rows>', `at most so many (default: ${TABLE_ROWS} in a table, else all)`).argParser(
        parseRowCount,
      ),
    )
    .addOption(new Option('--where <condition>', 'only rows for which this is true'))
    .addOption(new Option('--format <format>', 'on the terminal').choices(ROW_FORMATS))
    .addOption(
      new Option(
        '--to <file>',
        'write a file: .csv, .jsonl or .parquet; never over one that is there',
      ).argParser(parseRowFile),
    )
    .addOption(stateOption());
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
