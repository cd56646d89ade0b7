import { join } from 'node:path';
import { Failure, type FailureReport } from '../../core/errors.ts';
import type { Snapshot, SnapshotFile } from '../../core/snapshot.ts';
import { expandPaths } from '../../sources/files/expand-paths.ts';
import { copyHeads, type TextHeads } from '../../sources/files/text-heads.ts';
import { isPrepared, pinPrepared } from '../../sources/prepare.ts';
import type { SourceContext } from '../../sources/source.ts';
import { sources } from '../../sources/sources.ts';
import type { InputSpec } from '../../spec/job-spec.ts';
import type { Storage } from '../../storage/storage.ts';
import { systemClock } from '../system-ports.ts';
import type { CheckedInput } from './check-result.ts';

export interface LookedAtInput {
  /** Of what was looked at: for Parquet all of it. */
  readonly snapshot: Snapshot;
  /** Rows of the input, without `input.limit`. */
  readonly rows: number;
  readonly rowsExact: boolean;
  readonly files: number;
  readonly sizeBytes: number;
  readonly malformed: number;
  /** Of pinning all of it; reckoned where only beginnings were read. */
  readonly pinMs: number;
}

/** Of DuckDB, for `input.transform` and joins. */
const PREPARING_MEMORY_MB = 2_048;
/** Text up to this size is read to its end, which takes about a second; compressed, a quarter of it. */
export const WHOLE_TEXT_BYTES = 64 * 2 ** 20;

/**
 * The input as pin would find it. Parquet is looked at where it lies; text is turned into Parquet below `scratch`, whole
 * if it is small or `full`, else the beginnings of its files. An input with SQL or joins is prepared there in full. Fails as
 * `pinPrepared` does.
 */
export async function lookAtInput(
  input: InputSpec,
  { full, scratch }: { readonly full: boolean; readonly scratch: string },
  given: Omit<SourceContext, 'workspace'>,
): Promise<LookedAtInput> {
  const { storage, parallelFiles } = given;
  const source = sources[input.source];
  const workspace = storage.keyOf(join(scratch, 'pinned'));
  const context = { ...given, workspace };
  const sizeBytes = await source.sizeBytes(input);
  const begunMs = systemClock.monotonicMs();
  if (isPrepared(input)) {
    // SQL over a beginning would say nothing about the whole.
    const transform = { threads: parallelFiles, memoryLimitMb: PREPARING_MEMORY_MB, tempDir: scratch };
    const snapshot = await pinPrepared(input, { ...context, transform, nowMs: systemClock.nowMs() });
    return looked(snapshot, sizeBytes, begunMs);
  }
  const isText = input.source === 'csv' || input.source === 'jsonl';
  if (isText && !full && sizeBytes > WHOLE_TEXT_BYTES / (isCompressed(input) ? 4 : 1)) {
    const paths = await expandPaths(input.path ?? [], source.folderPattern);
    const folder = join(scratch, 'beginnings');
    const heads = await copyHeads(paths, input, folder);
    try {
      const snapshot = await source.pin({ ...input, path: heads.heads.map(({ path }) => path) }, context);
      const elapsedMs = systemClock.monotonicMs() - begunMs;
      return fromHeads(snapshot, heads, folder, elapsedMs, storage);
    } catch (error) {
      throw error instanceof Failure ? withoutFolder(error, folder) : error;
    }
  }
  return looked(await source.pin(input, context), sizeBytes, begunMs);
}

/** `rows`: those that the job would read. */
export function describeInput(
  spec: InputSpec,
  input: LookedAtInput,
  rows: number,
): Omit<CheckedInput, 'keyless'> {
  const { snapshot, files, sizeBytes, rowsExact, malformed } = input;
  return {
    source: spec.source,
    files,
    size_bytes: sizeBytes,
    rows,
    rows_exact: rowsExact || rows < input.rows,
    files_looked_at: snapshot.files.length,
    malformed_lines: malformed,
    prepared: isPrepared(spec),
    columns: snapshot.columns.map(({ name, type }) => ({ name, type })),
  };
}

function looked(snapshot: Snapshot, sizeBytes: number, begunMs: number): LookedAtInput {
  return {
    snapshot,
    rows: snapshot.rows,
    rowsExact: true,
    files: snapshot.files.length,
    sizeBytes,
    malformed: malformedIn(snapshot),
    pinMs: systemClock.monotonicMs() - begunMs,
  };
}

function isCompressed({ path = [] }: InputSpec): boolean {
  return path.some((each) => /\.(gz|zst)$/i.test(each));
}

function fromHeads(
  snapshot: Snapshot,
  { heads, files, sizeBytes }: TextHeads,
  folder: string,
  elapsedMs: number,
  storage: Storage,
): LookedAtInput {
  let rows = 0;
  let lookedAt = 0;
  let read = 0;
  for (const [at, { ofBytes, fileBytes }] of heads.entries()) {
    rows += ((snapshot.files[at]?.rows ?? 0) * fileBytes) / Math.max(1, ofBytes);
    lookedAt += fileBytes;
    read += ofBytes;
  }
  return {
    snapshot: { ...snapshot, files: snapshot.files.map((file) => withoutFolderIn(file, folder, storage)) },
    rows: Math.round((rows * sizeBytes) / Math.max(1, lookedAt)),
    rowsExact: false,
    files,
    sizeBytes,
    malformed: malformedIn(snapshot),
    pinMs: (elapsedMs * sizeBytes) / Math.max(1, read),
  };
}

function malformedIn({ files }: Snapshot): number {
  return files.reduce((sum, { original }) => sum + (original?.malformed ?? 0), 0);
}

/** Under the name of the file that the beginning is of. */
function withoutFolderIn(file: SnapshotFile, folder: string, storage: Storage): SnapshotFile {
  if (file.original === undefined) return file;
  const path = file.original.path.slice(folder.length);
  return { ...file, original: { ...file.original, path, key: storage.keyOf(path) } };
}

function withoutFolder(failure: Failure, folder: string): Failure {
  const clean = <Part extends object>(part: Part): Part =>
    JSON.parse(JSON.stringify(part).replaceAll(JSON.stringify(folder).slice(1, -1), '')) as Part;
  const { code, message, next, place, problems, details } = clean<FailureReport>(failure.toJSON());
  return new Failure(
    code,
    `${message} (Only the beginnings of the files were read; --full reads all of them.)`,
    {
      next,
      place,
      ...(problems === undefined ? {} : { problems }),
      ...(details === undefined ? {} : { details }),
    },
  );
}
