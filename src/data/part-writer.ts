import duckdb, { type Connection } from '@duckdb/node-bindings';
import { Failure } from '../core/errors.ts';
import { MALFORMED_COLUMNS, PLACE_COLUMNS } from '../core/malformed-columns.ts';
import { queryJson, quoteName, quotePath, quoteText } from './duckdb.ts';
import { duckdbFailure } from './duckdb-failure.ts';
import type {
  OutputColumn,
  RejectedRow,
  ShardRequest,
  ShardSegment,
  WriteRequest,
  WrittenPart,
} from './engine.ts';
import { nameCorruptFile } from './name-corrupt-file.ts';
import type { Bridge, Feed } from './native-bridge.ts';
import { PARQUET_FORMAT, PLAIN_PARQUET_FORMAT } from './parquet-format.ts';
import { placer } from './prediction-feed.ts';
import { rejectColumns } from './reject-columns.ts';
import { type Scan, scanContext, scanSql, sourcePlaceSql } from './scan-sql.ts';

const NUMERIC = /^(U?(TINYINT|SMALLINT|INTEGER|BIGINT)|FLOAT|DOUBLE)$/;
const NUMERIC_ELEMENTS = /^(u?int|float)/;

/**
 * Writes the part of scored rows: key, included columns, predictions and constants, in row order. Key and included columns go from
 * Parquet to Parquet inside DuckDB. They are paired with the feed by position, and the place of each row is compared on
 * both sides: a shift fails the statement.
 */
export async function writePart(
  bridge: Bridge,
  request: ShardRequest,
  segments: readonly ShardSegment[],
  feed: Feed,
  { outputs, constants = [] }: Pick<WriteRequest, 'outputs' | 'constants'>,
  path: string,
  rows: number,
): Promise<void> {
  const passed = passedColumns(request, segments);
  requireDistinct([
    ...[...passed, ...outputs].map(({ name }) => name),
    ...constants.map(({ column }) => column),
  ]);
  const shifted = `s.off IS DISTINCT FROM p.poff${segments.length > 1 ? ' OR s.seg IS DISTINCT FROM p.pseg' : ''}`;
  const selected = [
    ...passed.map(({ name, inner, outer }) => `${outer ?? inner?.as} AS ${quoteName(name)}`),
    ...outputs.map((output, index) => {
      const value = outputValue(output, `p${index}`);
      return index === 0
        ? `CASE WHEN ${shifted} THEN error('rows are out of step') ELSE ${value} END AS ${quoteName(output.name)}`
        : `${value} AS ${quoteName(output.name)}`;
    }),
    // No value of these crosses over from JavaScript, and Parquet keeps one of them per row group.
    ...constants.map(
      ({ column, type, value }) => `${quoteText(String(value))}::${type} AS ${quoteName(column)}`,
    ),
  ];
  const scan: Scan = { ...scanContext(request), expressions: passed.flatMap(({ inner }) => inner ?? []) };
  const unnested = feed.columns.map(({ name }) => `unnest(${name}) AS ${name}`).join(', ');
  const gaps = feed.columns.some(({ name }) => name === 'ok');
  const types = new Map(request.columns.map(({ name, type }) => [name, type]));
  const plain =
    request.key !== undefined &&
    passed.every(({ name }) => NUMERIC.test(types.get(name) ?? '')) &&
    outputs.every(({ type, labels }) => NUMERIC_ELEMENTS.test(type) && labels === undefined);
  await copy(
    bridge,
    feed,
    `SELECT ${selected.join(', ')}
     FROM (${scanSql(segments, scan)}) s POSITIONAL JOIN (SELECT ${unnested} FROM ${bridge.feedFunction}()) p${gaps ? ' WHERE ok' : ''}`,
    { path, rows, segments, scan, options: plain ? PLAIN_PARQUET_FORMAT : PARQUET_FORMAT },
  );
}

function outputValue({ shape, labels }: OutputColumn, predicted: string): string {
  if (labels === undefined) return predicted;
  const texts = `[${labels.map(quoteText).join(', ')}]`;
  return shape === 'scalar' ? `${texts}[${predicted}]` : `list_select(${texts}, ${predicted})`;
}

/**
 * Writes the rejected rows, in row order: key (or `source_file`, `source_row`), code, message, attempt, and all columns of
 * the input, then line and text of a malformed record where the job has any; a name that is taken gets `_input`. Returns the first five for messages.
 */
export async function writeRejects(
  bridge: Bridge,
  request: ShardRequest,
  segments: readonly ShardSegment[],
  rejects: readonly RejectedRow[],
  attempt: number,
  path: string,
): Promise<WrittenPart['sampleRejects']> {
  const isPlaced = request.key === undefined && segments[0]?.placed === true;
  const place = isPlaced ? { file: 'pf', row: 'pr' } : sourcePlaceSql(segments);
  const key = request.key;
  const stored = rejectColumns(
    request.columns.map(({ name }) => name),
    key,
  );
  const originals = stored.filter(({ original }) => original !== key);
  const expressions = originals.map(({ original }, index) => ({ sql: quoteName(original), as: `c${index}` }));
  const { line, text, file } = MALFORMED_COLUMNS;
  const selected = [
    ...(key === undefined
      ? [`${place.file} AS source_file`, `${place.row} AS source_row`]
      : [`k AS ${quoteName(key)}`]),
    'code',
    'message',
    `${attempt}::UINTEGER AS attempt`,
    ...originals.map((column, index) => `c${index} AS ${quoteName(column.stored)}`),
    ...(request.showsMalformed === true
      ? [line, text, `CASE WHEN ${line} IS NOT NULL THEN ${place.file} END AS ${file}`]
      : []),
  ];
  const scan: Scan = {
    ...scanContext(request),
    expressions: [
      ...(key === undefined ? [] : [{ sql: quoteName(key), as: 'k' }]),
      ...expressions,
      ...(isPlaced ? PLACED : []),
      ...(request.showsMalformed === true ? [line, text].map((name) => ({ sql: name, as: name })) : []),
    ],
  };
  const feed = rejectFeed(rejects, segments);
  const unnested = feed.columns.map(({ name }) => `unnest(${name}) AS ${name}`).join(', ');
  await copy(
    bridge,
    feed,
    `SELECT ${selected.join(', ')}
     FROM (${scanSql(segments, scan)}) s JOIN (SELECT ${unnested} FROM ${bridge.feedFunction}()) p ON s.seg = p.pseg AND s.off = p.poff
     ORDER BY s.seg, s.off`,
    { path, rows: rejects.length, segments, scan, options: PARQUET_FORMAT },
  );
  const keyText = key === undefined ? `source_file || ':' || source_row` : `${quoteName(key)}::VARCHAR`;
  // A malformed record has no key.
  const shown = request.showsMalformed === true ? `${keyText}, 'line ' || ${line}` : keyText;
  return sample(bridge.connection, shown, path);
}

async function sample(
  connection: Connection,
  keyText: string,
  path: string,
): Promise<WrittenPart['sampleRejects']> {
  try {
    return await queryJson(
      connection,
      `SELECT coalesce(${keyText}, 'null') AS key, code, message FROM read_parquet(${quotePath(path)}, hive_partitioning = false) LIMIT 5`,
    );
  } catch (error) {
    throw duckdbFailure(error, { reads: [], writes: path });
  }
}

interface CopyTarget {
  readonly path: string;
  /** Rows that have to come out. */
  readonly rows: number;
  readonly segments: readonly ShardSegment[];
  /** What is read of the segments. */
  readonly scan: Scan;
  readonly options: string;
}

async function copy(bridge: Bridge, feed: Feed, select: string, target: CopyTarget): Promise<void> {
  bridge.feed = feed;
  bridge.feedError = null;
  let written: number;
  try {
    const result = await duckdb.query(
      bridge.connection,
      `COPY (${select}) TO ${quoteText(target.path)} (${target.options})`,
    );
    written = duckdb.rows_changed(result);
  } catch (error) {
    if (bridge.feedError !== null) throw bridge.feedError;
    if (String(error).includes('rows are out of step')) {
      throw new Failure('ACCOUNTING', `Rows and predictions are out of step in ${target.path}.`, {
        place: { file: target.path },
        cause: error,
      });
    }
    const { segments, scan, path } = target;
    const failure = duckdbFailure(error, { reads: segments.map((segment) => segment.path), writes: path });
    throw await nameCorruptFile(failure, bridge.connection, segments, scan);
  } finally {
    bridge.feed = null;
  }
  if (written !== target.rows) {
    throw new Failure('ACCOUNTING', `${target.path} has ${written} rows instead of ${target.rows}.`, {
      place: { file: target.path },
    });
  }
}

interface PassedColumn {
  readonly name: string;
  /** Expression over the input's columns, inside the scan ... */
  readonly inner?: { readonly sql: string; readonly as: string };
  /** ... or over the row's place, outside of it. */
  readonly outer?: string;
}

/** The place of rows that were gathered from several files. */
const PLACED = [
  { sql: PLACE_COLUMNS.file, as: 'pf' },
  { sql: PLACE_COLUMNS.row, as: 'pr' },
] as const;

function passedColumns({ key, include }: ShardRequest, segments: readonly ShardSegment[]): PassedColumn[] {
  const names = [...new Set(key === undefined ? include : [key, ...include])];
  const columns = names.map((name, index) => ({ name, inner: { sql: quoteName(name), as: `c${index}` } }));
  if (key !== undefined) return columns;
  if (segments[0]?.placed === true) {
    const [file, row] = PLACED;
    return [{ name: 'source_file', inner: file }, { name: 'source_row', inner: row }, ...columns];
  }
  const place = sourcePlaceSql(segments);
  return [{ name: 'source_file', outer: place.file }, { name: 'source_row', outer: place.row }, ...columns];
}

function requireDistinct(names: readonly string[]): void {
  const seen = new Set<string>();
  for (const name of names) {
    if (seen.has(name.toLowerCase())) {
      throw new Failure('COLUMN_AMBIGUOUS', `The output would have two columns with the name ${name}.`, {
        place: { field: name },
      });
    }
    seen.add(name.toLowerCase());
  }
}

/** Rejects in row order, with the place of each. */
function rejectFeed(rejects: readonly RejectedRow[], segments: readonly ShardSegment[]): Feed {
  const [first] = segments as [ShardSegment];
  const base = first.fileOffset + first.start;
  const place = placer(segments);
  let at = 0;
  return {
    columns: [
      { name: 'pseg', type: 'int32', shape: 'scalar' },
      { name: 'poff', type: 'int32', shape: 'scalar' },
      { name: 'code', type: 'string', shape: 'scalar' },
      { name: 'message', type: 'string', shape: 'scalar' },
    ],
    next(piece) {
      const some = rejects.slice(at, at + 10_000);
      if (some.length === 0) return 0;
      at += some.length;
      const places = some.map(({ rowNumber }) => {
        const { seg, off } = place(rowNumber - base, 1);
        return { seg: seg[0] as number, off: off[0] as number };
      });
      piece.begin(some.length);
      piece.fixed(
        0,
        0,
        Int32Array.from(places, ({ seg }) => seg),
      );
      piece.fixed(
        1,
        0,
        Int32Array.from(places, ({ off }) => off),
      );
      piece.text(
        2,
        0,
        some.map(({ code }) => code),
      );
      piece.text(
        3,
        0,
        some.map(({ message }) => message),
      );
      return some.length;
    },
  };
}
