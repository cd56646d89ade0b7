import { stat } from 'node:fs/promises';
import { Failure } from '../../core/errors.ts';
import type { SnapshotFile, SourceColumn } from '../../core/snapshot.ts';
import type { DescribedFile } from '../../data/engine.ts';
import { checkFileUnchanged, fileIdentity } from '../../data/file-identity.ts';
import type { Source } from '../source.ts';
import { expandPaths } from './expand-paths.ts';

/** What the source needs of the specification: absolute paths, folders or patterns. */
export interface ParquetInput {
  readonly paths: readonly string[];
}

/** Files opened at once while they are identified. */
const PARALLEL_FILES = 16;

/**
 * Parquet files are pinned where they lie, by identity; nothing is copied.
 *
 * Not guaranteed: that a file is what its writer meant. A damaged byte that still decodes is read as it stands, also where
 * pages have checksums, which DuckDB does not check: of 200 flipped bits in data pages, 1 % made an uncompressed file
 * undecodable (SOURCE_CORRUPT), 7 % one with zstd, 22 % one with snappy; all but 1 to 7 % of the others changed a value.
 */
export const parquetSource: Source<ParquetInput> = {
  async pin(input, { storage, engine, signal }) {
    const paths = await expandPaths(input.paths);
    // Identity first: a file that changes between the two is caught before its first shard is scored.
    const identities = await mapParallel(paths, fileIdentity);
    const described = await engine.describe(paths, signal);
    const files = described.map((file, index): SnapshotFile => {
      const identity = identities[index];
      if (identity === undefined) throw new Error('a described file was not identified');
      return { key: storage.keyOf(file.path), identity, rows: file.rows, rowGroups: file.rowGroups };
    });
    return {
      files,
      columns: commonColumns(described),
      rows: files.reduce((sum, file) => sum + file.rows, 0),
    };
  },

  async checkUnchanged(input, snapshot, storage) {
    const pinned = await Promise.all(snapshot.files.map(async ({ key }) => storage.localPath(key)));
    await mapParallel([...pinned.entries()], async ([index, path]) => {
      const file = snapshot.files[index];
      if (file !== undefined) await checkFileUnchanged(path, file.identity);
    });
    const known = new Set(pinned);
    const added = (await expandPaths(input.paths)).find((path) => !known.has(path));
    if (added !== undefined) {
      throw new Failure('SOURCE_CHANGED', `${added} was not there when the job pinned its input.`, {
        place: { file: added },
      });
    }
  },

  async sizeBytes(input) {
    try {
      const sizes = await mapParallel(await expandPaths(input.paths), sizeOf);
      return sizes.reduce((sum, bytes) => sum + bytes, 0);
    } catch {
      return 0;
    }
  },
};

async function sizeOf(path: string): Promise<number> {
  return (await stat(path)).size;
}

/** A column is never null if the statistics of every file say so. */
function commonColumns(files: readonly DescribedFile[]): SourceColumn[] {
  const [first] = files;
  if (first === undefined) return [];
  return first.columns.map((column) => ({
    ...column,
    neverNull: files.every((file) =>
      file.columns.some(({ name, neverNull }) => name === column.name && neverNull),
    ),
  }));
}

async function mapParallel<Item, Result>(
  items: readonly Item[],
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = new Array(items.length);
  let next = 0;
  const lane = async () => {
    for (let index = next++; index < items.length; index = next++)
      results[index] = await work(items[index] as Item);
  };
  await Promise.all(Array.from({ length: Math.min(PARALLEL_FILES, items.length) }, lane));
  return results;
}
