import { Failure } from '../../core/errors.ts';
import type { DatabaseOrigin, Snapshot, SnapshotFile, SourceColumn } from '../../core/snapshot.ts';
import type { ConvertedColumn } from '../../data/convert-rows.ts';
import { RESERVED_NAMES } from '../../data/describe.ts';
import { fileIdentity } from '../../data/file-identity.ts';
import type { LateColumn } from '../../data/late-types.ts';
import type { ReadColumn, Reading, TextRows } from '../../databases/database.ts';
import type { StagedObject } from '../../storage/storage.ts';
import type { SourceContext } from '../source.ts';
import { cutRows } from './cut-rows.ts';
import { unfoldedColumns } from './unfold.ts';

export interface MaterialiseOrder {
  /** `target`: see `ReadRequest`. */
  readonly read: (target: string) => Promise<Reading>;
  readonly unfold: Readonly<Record<string, readonly string[]>>;
  readonly connection: string;
  readonly originOf: (reading: Reading) => DatabaseOrigin;
  readonly context: SourceContext;
}

/**
 * Writes the rows of a statement to Parquet files in the workspace, with constant memory: text is cut into pieces of some 64 MB,
 * each turned into a file while the next one comes in. Columns whose type only all values tell, and lists to be unfolded, are
 * made in a second pass over these files.
 *
 * Fails like `Database.read`, with SOURCE_TOO_LARGE, and ACCOUNTING if rows got lost on the way.
 */
export async function materialiseRows(order: MaterialiseOrder): Promise<Snapshot> {
  const { context, connection } = order;
  const raws: RawFile[] = [];
  const first = await stageFile(0, context);
  try {
    await using reading = await order.read(first.staged.path);
    refuseNames(reading.columns, connection);
    if (reading.rows.kind === 'parquet') {
      const rows = await reading.rows.write();
      raws.push({ ...first, rows, malformed: 0 });
    } else {
      await writeText(reading.rows, reading.columns, first, raws, order);
    }
    requireFits(raws, context);
    const origin = order.originOf(reading);
    const columns = await secondPass(reading.columns, raws, order);
    const files: SnapshotFile[] = [];
    const described: SourceColumn[][] = [];
    for (const [index, raw] of raws.entries()) {
      const made = columns === null ? raw : await convertAgain(raw, index, columns, raws, order);
      const sealed = await made.staged.seal();
      if (made !== raw) await raw.staged.discard();
      const [file] = await context.engine.describe(
        [await context.storage.localPath(made.key)],
        context.signal,
      );
      if (file === undefined || file.rows !== raw.rows)
        throw new Failure('ACCOUNTING', `${raw.rows} rows were written, and the file has ${file?.rows}.`);
      described.push(file.columns.filter(({ name }) => !isOurs(name)));
      files.push({
        key: made.key,
        identity: await fileIdentity(file.path),
        rows: file.rows,
        rowGroups: file.rowGroups,
        original: {
          path: `connection ${connection}`,
          key: `${connection}/${String(index).padStart(6, '0')}`,
          sizeBytes: sealed.sizeBytes,
          mtimeNs: `${origin.snapshotMs}000000`,
          sha256: sealed.sha256,
          malformed: made.malformed,
          database: origin,
        },
      });
    }
    return {
      files,
      columns: commonColumns(described),
      rows: files.reduce((sum, { rows }) => sum + rows, 0),
    };
  } catch (error) {
    await first.staged.discard();
    for (const { staged } of raws) await staged.discard();
    throw error;
  }
}

/** A file as the rows were first written. */
interface RawFile extends StagedFile {
  readonly rows: number;
  readonly malformed: number;
}

interface StagedFile {
  readonly key: string;
  readonly staged: StagedObject;
}

async function stageFile(index: number, { storage, workspace }: SourceContext): Promise<StagedFile> {
  const key = `${workspace}/${String(index).padStart(6, '0')}.parquet`;
  return { key, staged: await storage.stage(key) };
}

async function writeText(
  rows: TextRows,
  columns: readonly ReadColumn[],
  first: StagedFile,
  raws: RawFile[],
  { context, connection }: MaterialiseOrder,
): Promise<void> {
  const fields = columns.map((_, at) => `f${at}`);
  const asRead = columns.map(
    ({ name, type, sql, problem, late }, at): ConvertedColumn => ({
      name,
      from: `f${at}`,
      type: late === undefined ? type : 'VARCHAR',
      ...(sql === undefined ? {} : { sql }),
      ...(problem === undefined ? {} : { problem }),
    }),
  );
  let total = 0;
  await cutRows(rows.chunks, `${first.staged.path}.text`, async (piece) => {
    const target = raws.length === 0 ? first : await stageFile(raws.length, context);
    try {
      const done = await context.engine.convertRows(
        {
          from: { kind: 'text', fields, ...piece },
          columns: asRead,
          firstRow: total + 1,
          target: target.staged.path,
          shown: `connection ${connection}`,
        },
        context.signal,
      );
      raws.push({ ...target, ...done });
      total += done.rows;
      requireFits(raws, context);
    } catch (error) {
      await target.staged.discard();
      throw error;
    }
  });
  const sent = rows.sent();
  if (sent !== total)
    throw new Failure('ACCOUNTING', `The database has sent ${sent} rows, and ${total} were written.`);
}

function requireFits(raws: readonly RawFile[], { maxRows = Number.POSITIVE_INFINITY }: SourceContext): void {
  const rows = raws.reduce((sum, raw) => sum + raw.rows, 0);
  if (rows <= maxRows) return;
  throw new Failure('SOURCE_TOO_LARGE', `The input has more than ${maxRows} rows (BATCH_MAX_INPUT_ROWS).`, {
    place: { field: 'input' },
  });
}

/** Columns as a second pass makes them; null: the files are as they should be. */
async function secondPass(
  columns: readonly ReadColumn[],
  raws: readonly RawFile[],
  { unfold, context, connection }: MaterialiseOrder,
): Promise<ConvertedColumn[] | null> {
  const late = columns.flatMap(({ name, type, late: kind }): LateColumn[] =>
    kind === undefined ? [] : [{ name, type, late: kind }],
  );
  if (late.length === 0 && Object.keys(unfold).length === 0) return null;
  const decided = await context.engine.decideTypes(
    raws.map(({ staged }) => staged.path),
    late,
  );
  const typed = columns.map(
    ({ name, type }): ConvertedColumn => ({ name, type, from: name, ...decided.get(name) }),
  );
  return unfoldedColumns(typed, unfold, connection);
}

async function convertAgain(
  raw: RawFile,
  index: number,
  columns: readonly ConvertedColumn[],
  raws: readonly RawFile[],
  { context, connection }: MaterialiseOrder,
): Promise<RawFile> {
  const key = `${context.workspace}/made-${String(index).padStart(6, '0')}.parquet`;
  const staged = await context.storage.stage(key);
  try {
    const { malformed } = await context.engine.convertRows(
      {
        from: { kind: 'parquet', path: raw.staged.path, hasMalformed: raw.malformed > 0 },
        columns,
        firstRow: raws.slice(0, index).reduce((sum, { rows }) => sum + rows, 1),
        target: staged.path,
        shown: `connection ${connection}`,
      },
      context.signal,
    );
    return { key, staged, rows: raw.rows, malformed };
  } catch (error) {
    await staged.discard();
    throw error;
  }
}

function refuseNames(columns: readonly ReadColumn[], connection: string): void {
  const taken = columns.find(({ name }) => isOurs(name) || RESERVED_NAMES.includes(name.toLowerCase()));
  if (taken === undefined) return;
  throw new Failure(
    'COLUMN_AMBIGUOUS',
    `input.query on ${connection} gives a column ${taken.name}; this name is taken.`,
    {
      place: { field: taken.name },
      next: 'Rename it in the query: SELECT a AS b.',
    },
  );
}

function isOurs(name: string): boolean {
  return name.toLowerCase().startsWith('_batchwright_');
}

function commonColumns([first = [], ...others]: readonly (readonly SourceColumn[])[]): SourceColumn[] {
  return first.map((column) => ({
    ...column,
    neverNull:
      column.neverNull &&
      others.every((columns) => columns.some(({ name, neverNull }) => name === column.name && neverNull)),
  }));
}
