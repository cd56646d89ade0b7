import type { InputSpec } from '../spec/job-spec.ts';
import { databaseSource } from './database/database-source.ts';
import { csvSource } from './files/csv-source.ts';
import { jsonLinesSource } from './files/json-lines-source.ts';
import { parquetSource } from './files/parquet-source.ts';
import type { Source } from './source.ts';

/** By `input.source`. */
export const sources: Readonly<Record<InputSpec['source'], Source>> = {
  parquet: parquetSource,
  csv: csvSource,
  jsonl: jsonLinesSource,
  sql: databaseSource,
  table: databaseSource,
};
