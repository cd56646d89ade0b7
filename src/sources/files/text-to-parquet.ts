import { Failure } from '../../core/errors.ts';
import { partitionOf } from '../../core/hive-partition.ts';
import { PlainCopy } from '../../data/text/plain-copy.ts';
import { type ReadTextFile, readTextFile } from '../../data/text/read-text-file.ts';
import type { ScannedText } from '../../data/text/text-scanner.ts';
import type { TextForm, Transcoded } from '../../data/text/transcode.ts';
import { fsFailure } from '../../storage/fs-failure.ts';
import type { StagedObject } from '../../storage/storage.ts';
import type { TextInput } from './text-format.ts';
import type { TextTable } from './text-table.ts';

/** What one or several text files became. */
export interface TextInParquet {
  readonly table: TextTable;
  /** Storage key of the Parquet file, once it is sealed. */
  readonly key: string;
  readonly staged: StagedObject;
  readonly transcoded: Transcoded;
}

/** A text file of which the scanner has found out how it has to be read. */
interface ScannedFile {
  readonly path: string;
  /** Among the files of the input. */
  readonly index: number;
  readonly scanned: ScannedText;
}

/** Has DuckDB read files that it may read itself; several are alike (`alikeFiles`). */
export async function parseOriginals(
  files: readonly [ScannedFile, ...ScannedFile[]],
  table: TextTable,
  text: TextInput,
  signal: AbortSignal,
): Promise<TextInParquet> {
  const [{ scanned }] = files;
  const form: TextForm =
    text.format.kind === 'jsonl'
      ? { kind: 'jsonl' }
      : {
          kind: 'csv',
          dialect: text.format.dialect(text.input),
          lineEnd: scanned.lineEnd,
          hasLineEndsInFields: files.some((file) => file.scanned.hasLineEndsInFields),
        };
  return await parse(
    files,
    files.map(({ path }) => path),
    form,
    table,
    text,
    signal,
  );
}

/** Has DuckDB read a plain copy of files that it may not read itself; several are alike (`alikeFiles`). */
export async function parseCopy(
  files: readonly [
    ScannedFile & { readonly read: ReadTextFile },
    ...(ScannedFile & { readonly read: ReadTextFile })[],
  ],
  table: TextTable,
  text: TextInput,
): Promise<TextInParquet> {
  const { format, input, context } = text;
  const withMalformed = files.some(({ scanned }) => scanned.malformed > 0);
  const staged = await context.storage.stage(`${context.workspace}/${nameOf(files)}.plain`);
  const { delimiter, quote, nulls, decimal } = format.dialect(input);
  try {
    const plain = await PlainCopy.create(staged.path, {
      types: columnsOf(files[0], table, text).map(({ type }) => type),
      quote,
      withMalformed,
      isPlainAlready:
        format.kind === 'csv' && delimiter === ',' && quote === '"' && nulls.length === 1 && nulls[0] === '',
    });
    try {
      for (const [at, file] of files.entries()) {
        plain.begin(at);
        await copyRecords(file, plain, table, text);
      }
      await plain.flush(true);
    } catch (error) {
      throw fsFailure(error, 'Writing a copy', staged.path);
    } finally {
      await plain.close();
    }
    const form: TextForm = {
      kind: 'plain-copy',
      decimal,
      withMalformed,
      // Texts of JSON Lines may, once their escapes are read.
      hasLineEndsInFields:
        format.kind === 'jsonl' || files.some(({ scanned }) => scanned.hasLineEndsInFields),
    };
    return await parse(files, [staged.path], form, table, text, context.signal);
  } finally {
    await staged.discard();
  }
}

async function copyRecords(
  file: ScannedFile & { readonly read: ReadTextFile },
  plain: PlainCopy,
  table: TextTable,
  text: TextInput,
): Promise<void> {
  const { path, read } = file;
  const names = columnsOf(file, table, text).map(({ name }) => name);
  const scanner = text.format.scanner(path, text.input, text.declared, plain, names);
  const again = await readTextFile(
    path,
    async (chunk, final) => {
      scanner.push(chunk, final);
      await plain.flush(false);
    },
    text.context.signal,
  );
  if (again.sha256 !== read.sha256)
    throw new Failure('SOURCE_CHANGED', `${path} changed while it was being read.`, {
      place: { file: path },
    });
}

async function parse(
  files: readonly [ScannedFile, ...ScannedFile[]],
  sources: readonly string[],
  form: TextForm,
  table: TextTable,
  text: TextInput,
  signal: AbortSignal,
): Promise<TextInParquet> {
  const { storage, engine, workspace } = text.context;
  const columns = columnsOf(files[0], table, text);
  const own = new Set(columns.map(({ name }) => name));
  const partitions = files.map(({ path }) => partitionOf(path));
  const key = `${workspace}/${nameOf(files)}.parquet`;
  const staged = await storage.stage(key);
  try {
    const transcoded = await engine.transcode(
      {
        originals: files.map(({ path }) => path),
        sources,
        form,
        columns,
        longestRecordBytes: Math.max(...files.map(({ scanned }) => scanned.longestRecordBytes)),
        output: table.columns.map(({ name, type, isPartition }) => ({
          name,
          type,
          from: own.has(name)
            ? 'file'
            : { constants: partitions.map((values) => (isPartition ? (values.get(name) ?? null) : null)) },
        })),
        target: staged.path,
      },
      signal,
    );
    return { table, key, staged, transcoded };
  } catch (error) {
    await staged.discard();
    throw error;
  }
}

/** Of a CSV file its own, in their order; of JSON Lines, where any key may be missing, those of all files. */
function columnsOf(
  { scanned }: ScannedFile,
  table: TextTable,
  { format }: TextInput,
): { readonly name: string; readonly type: string }[] {
  const types = new Map(table.columns.map(({ name, type }) => [name, type]));
  return format.kind === 'csv'
    ? scanned.columns.map(({ name }) => ({ name, type: types.get(name) ?? 'VARCHAR' }))
    : table.columns.filter(({ isPartition }) => !isPartition).map(({ name, type }) => ({ name, type }));
}

function nameOf([{ index }]: readonly [ScannedFile, ...ScannedFile[]]): string {
  return String(index).padStart(6, '0');
}
