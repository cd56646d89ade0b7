import type { CsvDialect } from '../../data/text/csv-dialect.ts';
import type { TableSpec } from '../../spec/job-spec.ts';

/** The specification's dialect, with its defaults: RFC 4180, a header, empty for null. */
export function csvDialect(input: TableSpec): CsvDialect {
  return {
    delimiter: input.delimiter ?? ',',
    quote: input.quote ?? '"',
    header: input.header ?? true,
    nulls: input.null ?? [''],
    decimal: input.decimal ?? '.',
  };
}
