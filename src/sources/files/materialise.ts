import { stat } from 'node:fs/promises';
import { Failure } from '../../core/errors.ts';
import type { Snapshot, SnapshotFile } from '../../core/snapshot.ts';
import { fileIdentity } from '../../data/file-identity.ts';
import { nullsAs } from '../../data/text/column-facts.ts';
import type { TranscodedPiece } from '../../data/text/transcode.ts';
import type { TableSpec } from '../../spec/job-spec.ts';
import type { SourceContext } from '../source.ts';
import { type AlikeFiles, alikeFiles } from './alike-files.ts';
import { type LookedAtText, lookAtText } from './look-at-text.ts';
import { mapParallel } from './map-parallel.ts';
import type { TextFormat, TextInput } from './text-format.ts';
import { sameTable, type TextTable, tableOf } from './text-table.ts';
import { parseCopy, parseOriginals, type TextInParquet } from './text-to-parquet.ts';

/**
 * Turns text files into Parquet with constant memory: one file for each, or for several small ones that lie side by side.
 *
 * Each file is looked at twice, by two readers that know nothing of each other: our scanner finds the records, the
 * malformed ones and what the columns hold; DuckDB parses. Rows and nulls of every column must agree, file by file, else the
 * job fails. For a large clean file both run at the same time, DuckDB with types guessed from its beginning; if the types of
 * all rows of all files turn out to be others, it starts again. What is not regular (malformed records, compression, mixed
 * line ends ...) is first copied to CSV in one plain form, in a second pass of the scanner.
 */
export async function materialise(
  paths: readonly string[],
  input: TableSpec,
  format: TextFormat,
  context: SourceContext,
): Promise<Snapshot> {
  const declared = new Map(
    Object.entries(input.types ?? {}).map(([name, type]) => [name.toLowerCase(), type]),
  );
  const text: TextInput = { paths, input, format, declared, context, known: new Array(paths.length) };
  const looked = await mapParallel(paths, context.parallelFiles, (path, index) =>
    lookAtText(path, index, text),
  );
  const table = tableOf(
    looked.map(({ path, scanned }) => ({ path, columns: scanned.columns })),
    format.kind,
    declared,
  );
  const done = await mapParallel(
    alikeFiles(looked, table, text),
    context.parallelFiles,
    async (group) => await finish(group, await inParquet(group, table, text), table, context),
  );
  const files = done.flatMap((group) => group.files);
  const pieces = done.flatMap((group) => group.pieces);
  return {
    files,
    columns: table.columns.map(({ name, type, typeReason }) => ({
      name,
      type,
      ...(typeReason === undefined ? {} : { typeReason }),
      neverNull:
        !type.endsWith('[]') && pieces.every(({ rows, nulls }) => rows === 0 || nulls.get(name) === 0),
    })),
    rows: files.reduce((sum, file) => sum + file.rows, 0),
  };
}

/** As it was made during the scan, if the table has turned out to be the one that was guessed; else once more. */
async function inParquet(
  { files, direct }: AlikeFiles,
  table: TextTable,
  text: TextInput,
): Promise<TextInParquet> {
  const { parsed } = files[0];
  if (parsed !== null && sameTable(parsed.table, table)) return parsed;
  await parsed?.staged.discard();
  return direct
    ? await parseOriginals(files, table, text, text.context.signal)
    : await parseCopy(files, table, text);
}

/** Compares what the two readers found, and makes the Parquet file durable. */
async function finish(
  { files }: AlikeFiles,
  { key, staged, transcoded }: TextInParquet,
  table: TextTable,
  { storage }: SourceContext,
): Promise<{ readonly files: readonly SnapshotFile[]; readonly pieces: readonly TranscodedPiece[] }> {
  const { pieces } = transcoded;
  try {
    for (const [at, file] of files.entries()) {
      requireAgreement(file, pieces[at] as TranscodedPiece, table);
      await requireUnchanged(file);
    }
  } catch (error) {
    await staged.discard();
    throw error;
  }
  await staged.seal();
  const identity = await fileIdentity(await storage.localPath(key));
  let firstRow = 0;
  const made = files.map(({ path, read, scanned }, index): SnapshotFile => {
    const { rows } = pieces[index] as TranscodedPiece;
    const piece = { index, firstRow };
    firstRow += rows;
    return {
      key,
      identity,
      rows,
      rowGroups: files.length === 1 ? transcoded.rowGroups : rows === 0 ? [] : [rows],
      original: {
        path,
        key: storage.keyOf(path),
        sizeBytes: read.sizeBytes,
        mtimeNs: read.mtimeNs,
        sha256: read.sha256,
        malformed: scanned.malformed,
        ...(files.length === 1 ? {} : { piece }),
      },
    };
  });
  return { files: made, pieces };
}

/** No record may have been merged, dropped or shifted: rows, and nulls of each column, are what the scanner counted. */
function requireAgreement(
  { path, scanned }: LookedAtText,
  { rows, nulls }: TranscodedPiece,
  table: TextTable,
): void {
  const disagree = (what: string) =>
    new Failure('SOURCE_CORRUPT', `Two readers disagree about ${path}: ${what}.`, {
      place: { file: path },
      next: 'Check its quotes and input.delimiter; if the file is right, report this with the file.',
    });
  if (rows !== scanned.records)
    throw disagree(`it has ${scanned.records} records for one, ${rows} for the other`);
  if (rows === 0) return;
  const facts = new Map(scanned.columns.map((column) => [column.name, column]));
  for (const { name, type, isPartition } of table.columns) {
    const column = facts.get(name);
    if (isPartition || type.endsWith('[]')) continue;
    const expected = column === undefined ? rows : nullsAs(column, type) + scanned.malformed;
    const found = nulls.get(name);
    if (found !== expected) {
      throw disagree(`column ${name} is null in ${expected} records for one, in ${found} for the other`);
    }
  }
}

async function requireUnchanged({ path, read }: LookedAtText): Promise<void> {
  const now = await stat(path, { bigint: true }).catch(() => null);
  if (now !== null && Number(now.size) === read.sizeBytes && String(now.mtimeNs) === read.mtimeNs) return;
  throw new Failure('SOURCE_CHANGED', `${path} changed while it was being read.`, { place: { file: path } });
}
