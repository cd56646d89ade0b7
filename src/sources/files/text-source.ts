import { stat } from 'node:fs/promises';
import { Failure } from '../../core/errors.ts';
import type { OriginalFile, PinnedTable } from '../../core/snapshot.ts';
import type { TableSpec } from '../../spec/job-spec.ts';
import { isAbsent } from '../../storage/fs-failure.ts';
import type { Source } from '../source.ts';
import { expandPaths } from './expand-paths.ts';
import { firstFileColumns } from './first-file-columns.ts';
import { mapParallel } from './map-parallel.ts';
import { materialise } from './materialise.ts';
import type { TextFormat } from './text-format.ts';
import { textHead } from './text-heads.ts';

/** Files looked at at once. */
const PARALLEL_FILES = 16;

/** A source of text files: they are materialised to Parquet, and compared by size and time later. */
export function textSource(format: TextFormat): Source {
  return {
    folderPattern: format.folderPattern,

    async pin(input, context) {
      const paths = await expandPaths(input.path ?? [], format.folderPattern);
      return await materialise(paths, input, format, context);
    },

    async checkUnchanged(input, snapshot) {
      const originals = originalsOf(snapshot);
      await mapParallel(originals, PARALLEL_FILES, checkOriginal);
      const known = new Set(originals.map(({ path }) => path));
      const added = (await expandPaths(input.path ?? [], format.folderPattern)).find(
        (path) => !known.has(path),
      );
      if (added === undefined) return;
      throw new Failure('SOURCE_CHANGED', `${added} was not there when the job pinned its input.`, {
        place: { file: added },
      });
    },

    columnNames: (input) =>
      firstFileColumns(input.path ?? [], format.folderPattern, (path) => headerNames(path, input, format)),

    async sizeBytes(input) {
      try {
        const paths = await expandPaths(input.path ?? [], format.folderPattern);
        const sizes = await mapParallel(paths, PARALLEL_FILES, async (path) => (await stat(path)).size);
        return sizes.reduce((sum, bytes) => sum + bytes, 0);
      } catch {
        return 0;
      }
    },
  };
}

/** Longer headers are left to whoever reads all of the file. */
const HEAD_BYTES = 64 * 2 ** 10;

/** All CSV files of an input have the columns of the first one; of JSON Lines any record may have a column more. */
async function headerNames(path: string, input: TableSpec, format: TextFormat): Promise<string[] | null> {
  if (format.kind === 'jsonl') return null;
  const scanner = format.scanner(path, input, new Map(), null);
  try {
    scanner.push(await textHead(path, HEAD_BYTES), false);
  } catch (error) {
    if (error instanceof Failure) return null;
    throw error;
  }
  return scanner.scanned().columns.map(({ name }) => name);
}

function originalsOf(snapshot: PinnedTable): OriginalFile[] {
  return snapshot.files.flatMap(({ original }) => (original === undefined ? [] : [original]));
}

async function checkOriginal({ path, sizeBytes, mtimeNs }: OriginalFile): Promise<void> {
  const changed = (what: string, cause?: unknown) =>
    new Failure('SOURCE_CHANGED', `${path} changed since the job pinned it: ${what}.`, {
      place: { file: path },
      cause,
    });
  let found: { readonly size: bigint; readonly mtimeNs: bigint };
  try {
    found = await stat(path, { bigint: true });
  } catch (cause) {
    if (isAbsent(cause)) throw changed('it is gone', cause);
    throw new Failure('SOURCE_UNREADABLE', `${path} cannot be looked at.`, { place: { file: path }, cause });
  }
  if (Number(found.size) !== sizeBytes) throw changed(`it had ${sizeBytes} bytes and has ${found.size}`);
  if (String(found.mtimeNs) !== mtimeNs) throw changed('it was written again (another modification time)');
}
