import { Failure } from '../core/errors.ts';
import { type PinnedTable, type Snapshot, type SnapshotFile, wholeFile } from '../core/snapshot.ts';
import { checkFileUnchanged, fileIdentity } from '../data/file-identity.ts';
import { runTransform } from '../data/transform/run-transform.ts';
import type { ReadTable, TransformSettings } from '../data/transform/transform-database.ts';
import type { InputSpec } from '../spec/job-spec.ts';
import type { StagedObject, Storage } from '../storage/storage.ts';
import { refuseOverlap } from './files/refuse-overlap.ts';
import type { SourceContext } from './source.ts';
import { sources } from './sources.ts';

/** File and row number say nothing about a row that was made of several: fails with SPEC_INVALID where no key is named. */
export function requireKey(input: InputSpec, storedKey: string | undefined): void {
  if (!isPrepared(input) || input.key !== undefined || storedKey !== undefined) return;
  throw new Failure('SPEC_INVALID', 'A prepared input needs input.key: its rows have no place in a file.', {
    place: { field: 'input.key' },
    next: 'Name the column of the result that identifies a record.',
  });
}

export interface PrepareContext extends SourceContext {
  readonly transform: TransformSettings;
  /** What `now()` stands for in `input.transform`. */
  readonly nowMs: number;
}

/**
 * Pins the input and, if the specification says so, prepares it: pins the side inputs, joins them, runs `input.transform`, and
 * gives a snapshot of the result, which lies in the workspace: one file of rows, and one of malformed records for each file
 * of the input that has any. What was materialised on the way is removed.
 *
 * Fails like the sources (naming the side input), like `runTransform`, and with SOURCE_CHANGED if a file changed meanwhile.
 */
export async function pinPrepared(input: InputSpec, context: PrepareContext): Promise<Snapshot> {
  if (!isPrepared(input)) return await sources[input.source].pin(input, context);
  const { storage, engine, workspace, signal, nowMs } = context;
  // Of a prepared input, `columns` are those of its result.
  const { columns: _, ...table } = input;
  const pinned = await sources[input.source].pin(table, { ...context, workspace: `${workspace}/input` });
  const sides: Record<string, Snapshot> = {};
  for (const [name, side] of Object.entries(input.side_inputs ?? {})) {
    const within = { ...context, workspace: `${workspace}/side/${name}` };
    sides[name] = await sources[side.source].pin(side, within).catch((error: unknown) => {
      throw ofSideInput(name, error);
    });
    refuseMalformed(name, sides[name]);
  }
  const staged: StagedObject[] = [];
  const stage = async (key: string) => {
    const object = await storage.stage(`${workspace}/${key}`);
    staged.push(object);
    return object;
  };
  try {
    const joined = await stage('joined.parquet');
    const target = await stage('000000.parquet');
    const malformed = [];
    for (const { original } of pinned.files) {
      malformed.push(
        original === undefined || original.malformed === 0
          ? null
          : await stage(`malformed/${String(malformed.length).padStart(6, '0')}.parquet`),
      );
    }
    const done = await runTransform(
      {
        input: await readTable('input', pinned, storage),
        sideInputs: await Promise.all(
          Object.entries(input.side_inputs ?? {}).map(async ([name, { join }]) => ({
            ...(await readTable(name, sides[name] as Snapshot, storage)),
            ...(join === undefined ? {} : { join }),
          })),
        ),
        sql: input.transform ?? null,
        joined: joined.path,
        target: target.path,
        malformed: malformed.map((object) => object?.path ?? null),
        nowMs,
      },
      context.transform,
      signal,
    );
    await requireUnchanged([pinned, ...Object.values(sides)], storage);
    await joined.discard();
    await target.seal();
    for (const object of malformed) await object?.seal();
    const result = `${workspace}/000000.parquet`;
    const [described] = await engine.describe([await storage.localPath(result)], signal);
    if (described === undefined) throw new Error('the result was not described');
    const files: SnapshotFile[] = [
      {
        key: result,
        identity: await fileIdentity(described.path),
        rows: described.rows,
        rowGroups: described.rowGroups,
      },
    ];
    for (const [index, object] of malformed.entries()) {
      const original = pinned.files[index]?.original;
      if (object === null || original === undefined) continue;
      const key = `${workspace}/malformed/${String(index).padStart(6, '0')}.parquet`;
      const identity = await fileIdentity(await storage.localPath(key));
      files.push({
        key,
        identity,
        rows: original.malformed,
        rowGroups: [original.malformed],
        original: wholeFile(original),
      });
    }
    await storage.remove(`${workspace}/input`);
    await storage.remove(`${workspace}/side`);
    const rows = files.reduce((sum, file) => sum + file.rows, 0);
    return {
      files,
      columns: described.columns.map((column) => ({
        ...column,
        neverNull: column.neverNull && files.length === 1,
      })),
      rows,
      prepared: {
        nowMs,
        input: pinnedTable(pinned),
        sideInputs: Object.fromEntries(
          Object.entries(sides).map(([name, side]) => [name, pinnedTable(side)]),
        ),
        joins: done.joins,
        rowsBefore: done.rowsBefore,
        rowsAfter: done.rowsAfter,
        malformed: rows - described.rows,
      },
    };
  } catch (error) {
    for (const object of staged) await object.discard();
    throw error;
  }
}

/** Fails with SOURCE_CHANGED, naming the file, unless pinning again would give this snapshot; side inputs count. */
export async function checkPreparedUnchanged(
  input: InputSpec,
  snapshot: Snapshot,
  storage: Storage,
): Promise<void> {
  const { prepared } = snapshot;
  await sources[input.source].checkUnchanged(input, prepared?.input ?? snapshot, storage);
  for (const [name, side] of Object.entries(input.side_inputs ?? {})) {
    const pinned = prepared?.sideInputs[name];
    if (pinned === undefined) continue;
    await sources[side.source].checkUnchanged(side, pinned, storage).catch((error: unknown) => {
      throw ofSideInput(name, error);
    });
  }
}

export function isPrepared(input: InputSpec): boolean {
  return input.transform !== undefined || input.side_inputs !== undefined;
}

/** Fails as `refuseOverlap` does for any of the tables that a specification reads. */
export async function refuseInputOverlap(input: InputSpec, destination: string): Promise<void> {
  for (const { source, path } of [input, ...Object.values(input.side_inputs ?? {})])
    if (path !== undefined) await refuseOverlap(path, sources[source].folderPattern, destination);
}

/** All that a specification reads rows from. */
export function inputPaths({ path = [], side_inputs: sides = {} }: InputSpec): string[] {
  return [...path, ...Object.values(sides).flatMap((side) => side.path ?? [])];
}

async function readTable(name: string, { columns, files }: Snapshot, storage: Storage): Promise<ReadTable> {
  return {
    name,
    columns,
    files: await Promise.all(
      files.map(async ({ key, rows, partition, original }) => ({
        path: await storage.localPath(key),
        rows,
        ...(partition === undefined ? {} : { partition }),
        ...(original === undefined || original.malformed === 0 ? {} : { malformedIn: original.path }),
        ...(original?.piece === undefined ? {} : { piece: original.piece }),
      })),
    ),
  };
}

function pinnedTable({ files, columns, rows }: Snapshot): PinnedTable {
  return { files: files.map(({ rowGroups: _, ...file }) => file), columns, rows };
}

/** A side input with a broken line would lose a row in silence. */
function refuseMalformed(name: string, { files }: Snapshot): void {
  for (const { original } of files) {
    if (original === undefined || original.malformed === 0) continue;
    throw new Failure(
      'SOURCE_CORRUPT',
      `Side input ${name} has ${original.malformed} malformed ${original.malformed === 1 ? 'record' : 'records'} in ${original.path}.`,
      {
        place: { file: original.path, field: `input.side_inputs.${name}` },
        next: 'Repair the file; as the input of a job of its own, its rejects would show the lines.',
      },
    );
  }
}

function ofSideInput(name: string, error: unknown): unknown {
  if (!(error instanceof Failure)) return error;
  const { code, message, place, next } = error;
  const field = place.field?.replace(/^input(?=\.|$)/, `input.side_inputs.${name}`);
  return new Failure(code, `Side input ${name}: ${message}`, {
    place: { ...place, ...(field === undefined ? {} : { field }) },
    next,
    cause: error,
  });
}

/** Parquet is read where it lies: the files that were read must be those that were identified. */
async function requireUnchanged(tables: readonly Snapshot[], storage: Storage): Promise<void> {
  for (const { files } of tables) {
    const byKey = new Map(files.map(({ key, identity }) => [key, identity]));
    for (const [key, identity] of byKey) await checkFileUnchanged(await storage.localPath(key), identity);
  }
}
