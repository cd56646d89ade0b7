import type { ColumnFacts } from '../../data/text/column-facts.ts';
import type { CsvDialect } from '../../data/text/csv-dialect.ts';
import type { RecordHandler } from '../../data/text/record-handler.ts';
import type { TextScanner } from '../../data/text/text-scanner.ts';
import type { TableSpec } from '../../spec/job-spec.ts';
import type { SourceContext } from '../source.ts';

/** What tells CSV and JSON Lines apart. */
export interface TextFormat {
  readonly kind: 'csv' | 'jsonl';
  readonly folderPattern: string;
  /** `columns`: known from an earlier pass over the file. */
  readonly scanner: (
    file: string,
    input: TableSpec,
    declared: ReadonlyMap<string, string>,
    handler: RecordHandler | null,
    columns?: readonly string[],
  ) => TextScanner;
  readonly dialect: (input: TableSpec) => CsvDialect;
}

/** The text files of one input, on their way to Parquet. */
export interface TextInput {
  readonly paths: readonly string[];
  readonly input: TableSpec;
  readonly format: TextFormat;
  /** Types by column name in lower case. */
  readonly declared: ReadonlyMap<string, string>;
  readonly context: SourceContext;
  /** By file: its columns as far as they are known, for guesses. */
  readonly known: (readonly ColumnFacts[] | undefined)[];
}
