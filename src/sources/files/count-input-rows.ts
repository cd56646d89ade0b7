import { parquetRows } from '../../data/count-rows.ts';
import type { InputSpec } from '../../spec/job-spec.ts';
import { isPrepared } from '../prepare.ts';
import { expandPaths } from './expand-paths.ts';
import { parquetSource } from './parquet-source.ts';

/**
 * How many rows a job will read, where footers say it: Parquet without a transform. Null: that cannot be told without
 * reading the input, or pin will say what is wrong with it. Gives up, with null, when `signal` is aborted.
 */
export async function countInputRows(input: InputSpec, signal: AbortSignal): Promise<number | null> {
  if (input.source !== 'parquet' || isPrepared(input)) return null;
  try {
    let rows = 0;
    for (const path of await expandPaths(input.path ?? [], parquetSource.folderPattern)) {
      if (signal.aborted) return null;
      rows += parquetRows(path);
      // Files are opened one after the other; requests are answered in between.
      await Promise.resolve();
    }
    return Math.min(rows, input.limit ?? rows);
  } catch {
    return null;
  }
}
