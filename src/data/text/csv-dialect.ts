/** How a CSV file is to be read. */
export interface CsvDialect {
  /** One ASCII character. */
  readonly delimiter: string;
  /** One ASCII character; '' for none. */
  readonly quote: string;
  readonly header: boolean;
  /** What stands for null, unless it is quoted. */
  readonly nulls: readonly string[];
  readonly decimal: '.' | ',';
}
