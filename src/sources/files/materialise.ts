import { stat } from 'node:fs/promises';
import { Failure } from '../../core/errors.ts';
import { isOfType } from '../../core/field-class.ts';
import { partitionOf } from '../../core/hive-partition.ts';
import type { Snapshot, SnapshotFile } from '../../core/snapshot.ts';
import { fileIdentity } from '../../data/file-identity.ts';
import { type ColumnFacts, nullsAs } from '../../data/text/column-facts.ts';
import type { CsvDialect } from '../../data/text/csv-scanner.ts';
import { PlainCopy } from '../../data/text/plain-copy.ts';
import { type ReadTextFile, readTextFile, readTextSample } from '../../data/text/read-text-file.ts';
import type { RecordHandler } from '../../data/text/record-handler.ts';
import type { ScannedText, TextScanner } from '../../data/text/text-scanner.ts';
import type { TextForm, Transcoded } from '../../data/text/transcode.ts';
import type { TableSpec } from '../../spec/job-spec.ts';
import { fsFailure } from '../../storage/fs-failure.ts';
import type { StagedObject } from '../../storage/storage.ts';
import type { SourceContext } from '../source.ts';
import { mapParallel } from './map-parallel.ts';
import { sameTable, type TextTable, tableOf } from './text-table.ts';

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

/** What of a file is looked at to guess its types, so that DuckDB can start at once; smaller files are scanned first. */
const SAMPLE_BYTES = 2 ** 20;

/**
 * Turns text files into Parquet, one file for each, with constant memory.
 *
 * Each file is looked at twice, by two readers that know nothing of each other: our scanner finds the records, the
 * malformed ones and what the columns hold; DuckDB parses. Rows and nulls of every column must agree, else the job fails.
 * For a large clean file both run at the same time, DuckDB with types guessed from its beginning; if the types of all rows
 * of all files turn out to be others, it starts again. What is not regular (malformed records, compression, mixed line ends
 * ...) is first copied to CSV in one plain form, in a second pass of the scanner.
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
  const job: Job = { paths, input, format, declared, context, known: new Array(paths.length) };
  const first = await mapParallel(paths, context.parallelFiles, (path, index) => lookAt(path, index, job));
  const table = tableOf(
    first.map(({ scanned }, index) => ({ path: paths[index] as string, columns: scanned.columns })),
    format.kind,
    declared,
  );
  const done = await mapParallel(first, context.parallelFiles, async (file, index) => {
    const copied = file.copied !== null && sameTable(file.copied.table, table) ? file.copied : null;
    if (copied === null) await file.copied?.staged.discard();
    return await finish(file, index, copied ?? (await copy(file, index, table, job)), table, job);
  });
  const rows = done.reduce((sum, { file }) => sum + file.rows, 0);
  return {
    files: done.map(({ file }) => file),
    columns: table.columns.map(({ name, type, typeReason }) => ({
      name,
      type,
      ...(typeReason === undefined ? {} : { typeReason }),
      neverNull: !type.endsWith('[]') && done.every(({ transcoded }) => transcoded.nulls.get(name) === 0),
    })),
    rows,
  };
}

interface Job {
  readonly paths: readonly string[];
  readonly input: TableSpec;
  readonly format: TextFormat;
  readonly declared: ReadonlyMap<string, string>;
  readonly context: SourceContext;
  /** By file: its columns as far as they are known, for guesses. */
  readonly known: (readonly ColumnFacts[] | undefined)[];
}

interface LookedAt {
  readonly path: string;
  readonly read: ReadTextFile;
  readonly scanned: ScannedText;
  /** Made while the file was being scanned, with a guessed table. */
  readonly copied: Copied | null;
}

interface Copied {
  readonly table: TextTable;
  readonly staged: StagedObject;
  readonly transcoded: Transcoded;
}

/** Scans a file; if it is large and looks regular, DuckDB parses it meanwhile. */
async function lookAt(path: string, index: number, job: Job): Promise<LookedAt> {
  const { input, format, declared, context } = job;
  const guessed = await guess(path, index, job);
  const stop = new AbortController();
  // Its outcome counts only if the scan finds nothing against it; what failed is tried again, and then it does.
  const copying =
    guessed === null
      ? Promise.resolve(null)
      : parse(
          index,
          { path, source: path, form: formOf(job, guessed.scanned), ...guessed },
          job,
          stop.signal,
        ).catch(() => null);
  try {
    const scanner = format.scanner(path, input, declared, null);
    const read = await readTextFile(
      path,
      (chunk, final) => {
        scanner.push(chunk, final);
        if (guessed !== null && !isDirect(scanner.scanned(), guessed.table, job)) stop.abort();
      },
      context.signal,
    );
    const scanned = scanner.scanned();
    job.known[index] = scanned.columns;
    return { path, read, scanned, copied: await copying };
  } catch (error) {
    stop.abort();
    await (await copying)?.staged.discard();
    throw error;
  }
}

/** The table that a large file's beginning, and what is known of the others, lets expect. Null: better wait for the scan. */
async function guess(
  path: string,
  index: number,
  job: Job,
): Promise<{ readonly table: TextTable; readonly scanned: ScannedText } | null> {
  const { input, format, declared, paths } = job;
  const sample = await readTextSample(path, SAMPLE_BYTES);
  if (sample === null) return null;
  const scanner = format.scanner(path, input, declared, null);
  try {
    scanner.push(sample, false);
  } catch (error) {
    if (error instanceof Failure) return null;
    throw error;
  }
  const scanned = scanner.scanned();
  job.known[index] = scanned.columns;
  if (scanned.records === 0) return null;
  const known = paths.flatMap((each, at) => {
    const columns = job.known[at];
    return columns === undefined ? [] : [{ path: each, columns }];
  });
  try {
    const table = tableOf(known, format.kind, declared);
    return isDirect(scanned, table, job) ? { table, scanned } : null;
  } catch (error) {
    // Said again, with all files known, if it is still so then.
    if (error instanceof Failure) return null;
    throw error;
  }
}

/** Whether DuckDB may read the original itself, with the types of this table. */
function isDirect(scanned: ScannedText, table: TextTable, { format, declared }: Job): boolean {
  if (scanned.malformed > 0 || !scanned.isRegular) return false;
  if (scanned.hasLineEndsInFields && scanned.lineEnd !== '\n') return false;
  const types = new Map(table.columns.map(({ name, type }) => [name, type]));
  return scanned.columns.every((column) => {
    const type = types.get(column.name);
    if (type === undefined) return false;
    if (format.kind === 'jsonl') return isOfType(column.classes, type);
    if (column.empties > 0 && type !== 'VARCHAR') return false;
    // What is declared was compared value by value.
    return type === 'VARCHAR' || declared.has(column.name.toLowerCase()) || isOfType(column.classes, type);
  });
}

interface Parsing {
  readonly path: string;
  /** The file to parse: the original, or its plain copy. */
  readonly source: string;
  readonly form: TextForm;
  readonly table: TextTable;
  readonly scanned: ScannedText;
}

/** Has DuckDB turn a file into Parquet. */
async function parse(
  index: number,
  { path, source, form, table, scanned }: Parsing,
  { context }: Job,
  stop?: AbortSignal,
): Promise<Copied> {
  const { storage, engine, workspace } = context;
  const types = new Map(table.columns.map(({ name, type }) => [name, type]));
  const partition = partitionOf(path);
  const staged = await storage.stage(`${workspace}/${String(index).padStart(6, '0')}.parquet`);
  const own = new Set(scanned.columns.map(({ name }) => name));
  try {
    const transcoded = await engine.transcode(
      {
        original: path,
        source,
        form,
        columns: scanned.columns.map(({ name }) => ({ name, type: types.get(name) ?? 'VARCHAR' })),
        longestRecordBytes: scanned.longestRecordBytes,
        output: table.columns.map(({ name, type, isPartition }) => ({
          name,
          type,
          from: own.has(name) ? 'file' : { constant: isPartition ? (partition.get(name) ?? null) : null },
        })),
        target: staged.path,
      },
      stop === undefined ? context.signal : AbortSignal.any([context.signal, stop]),
    );
    return { table, staged, transcoded };
  } catch (error) {
    await staged.discard();
    throw error;
  }
}

function formOf({ input, format }: Job, { lineEnd, hasLineEndsInFields }: ScannedText): TextForm {
  if (format.kind === 'jsonl') return { kind: 'jsonl' };
  return { kind: 'csv', dialect: format.dialect(input), lineEnd, hasLineEndsInFields };
}

/** Once the table is known: parses the original, or a plain copy of it where it is not regular. */
async function copy(file: LookedAt, index: number, table: TextTable, job: Job): Promise<Copied> {
  const { path, scanned } = file;
  if (file.read.compression === 'none' && isDirect(scanned, table, job)) {
    return await parse(index, { path, source: path, form: formOf(job, scanned), table, scanned }, job);
  }
  const { storage, workspace } = job.context;
  const staged = await storage.stage(`${workspace}/${String(index).padStart(6, '0')}.plain`);
  try {
    await writePlainCopy(file, staged.path, table, job);
    const form: TextForm = {
      kind: 'plain-copy',
      decimal: job.format.dialect(job.input).decimal,
      withMalformed: scanned.malformed > 0,
      // Texts of JSON Lines may, once their escapes are read.
      hasLineEndsInFields: scanned.hasLineEndsInFields || job.format.kind === 'jsonl',
    };
    return await parse(index, { path, source: staged.path, form, table, scanned }, job);
  } finally {
    await staged.discard();
  }
}

async function writePlainCopy(file: LookedAt, target: string, table: TextTable, job: Job): Promise<void> {
  const { path, scanned, read } = file;
  const { input, format, declared, context } = job;
  const types = new Map(table.columns.map(({ name, type }) => [name, type]));
  const names = scanned.columns.map(({ name }) => name);
  const { delimiter, quote, nulls } = format.dialect(input);
  const plain = await PlainCopy.create(target, {
    types: names.map((name) => types.get(name) ?? 'VARCHAR'),
    quote,
    withMalformed: scanned.malformed > 0,
    isPlainAlready:
      format.kind === 'csv' && delimiter === ',' && quote === '"' && nulls.length === 1 && nulls[0] === '',
  });
  try {
    const scanner = format.scanner(path, input, declared, plain, names);
    const again = await readTextFile(
      path,
      async (chunk, final) => {
        scanner.push(chunk, final);
        await plain.flush(final);
      },
      context.signal,
    );
    if (again.sha256 !== read.sha256) throw changed(path);
  } catch (error) {
    throw fsFailure(error, 'Writing a copy', target);
  } finally {
    await plain.close();
  }
}

/** Compares what the two readers found, and makes the Parquet file durable. */
async function finish(
  file: LookedAt,
  index: number,
  { staged, transcoded }: Copied,
  table: TextTable,
  { context }: Job,
): Promise<{ readonly file: SnapshotFile; readonly transcoded: Transcoded }> {
  const { path, read, scanned } = file;
  try {
    requireAgreement(file, transcoded, table);
    const now = await stat(path, { bigint: true }).catch(() => null);
    if (now === null || Number(now.size) !== read.sizeBytes || String(now.mtimeNs) !== read.mtimeNs)
      throw changed(path);
  } catch (error) {
    await staged.discard();
    throw error;
  }
  await staged.seal();
  const key = `${context.workspace}/${String(index).padStart(6, '0')}.parquet`;
  return {
    transcoded,
    file: {
      key,
      identity: await fileIdentity(await context.storage.localPath(key)),
      rows: transcoded.rows,
      rowGroups: transcoded.rowGroups,
      original: {
        path,
        key: context.storage.keyOf(path),
        sizeBytes: read.sizeBytes,
        mtimeNs: read.mtimeNs,
        sha256: read.sha256,
        malformed: scanned.malformed,
      },
    },
  };
}

/** No record may have been merged, dropped or shifted: rows, and nulls of each column, are what the scanner counted. */
function requireAgreement({ path, scanned }: LookedAt, { rows, nulls }: Transcoded, table: TextTable): void {
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

function changed(path: string): Failure {
  return new Failure('SOURCE_CHANGED', `${path} changed while it was being read.`, { place: { file: path } });
}
