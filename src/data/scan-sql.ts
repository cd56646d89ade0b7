import { MALFORMED_COLUMNS, PIECE_COLUMN } from '../core/malformed-columns.ts';
import { quoteName, quotePath, quoteText } from './duckdb.ts';
import type { ShardRequest, ShardSegment } from './engine.ts';

/**
 * SQL that yields the rows of a range, in order, with their place: `seg`, the index of the segment, and `off`, the row's
 * number in the segment from 0 (both INTEGER).
 */
export interface Scan {
  /** Row expressions (over the input's columns) under the names that they get. */
  readonly expressions: readonly { readonly sql: string; readonly as: string }[];
  readonly where?: string;
  /** Expressions may name the columns of core/malformed-columns.ts: in files without them they are null. */
  readonly showsMalformed?: boolean;
  /** Types of columns that come from partition folders, by name. */
  readonly partitionTypes?: ReadonlyMap<string, string>;
}

/**
 * One statement for all segments. Only the first and the last file of a range can be cut; the whole ones between go to
 * DuckDB as one list, so that thousands of small files cost one scan. Pieces of one file are read as one range of its rows.
 * `file_row_number` bounds are pushed down: row groups outside are not read.
 */
export function scanSql(segments: readonly ShardSegment[], scan: Scan): string {
  const groups: { readonly first: number; readonly segments: ShardSegment[] }[] = [];
  for (const [index, segment] of segments.entries()) {
    const last = groups.at(-1)?.segments;
    const isWhole = (one: ShardSegment) => one.start === 0 && one !== segments.at(-1);
    if (last !== undefined && goTogether(last[0] as ShardSegment, segment, isWhole)) last.push(segment);
    else groups.push({ first: index, segments: [segment] });
  }
  return groups.map((group) => groupSql(group.first, group.segments, scan)).join(' UNION ALL ');
}

function goTogether(
  one: ShardSegment,
  other: ShardSegment,
  isWhole: (segment: ShardSegment) => boolean,
): boolean {
  if (one.piece !== undefined || other.piece !== undefined) return one.path === other.path;
  // Files of one list have the same columns.
  return (
    isWhole(one) && isWhole(other) && (one.malformedIn === undefined) === (other.malformedIn === undefined)
  );
}

function groupSql(first: number, segments: readonly ShardSegment[], scan: Scan): string {
  const { expressions, where } = scan;
  const [segment] = segments as [ShardSegment];
  const single = segments.length === 1;
  const places = segment.piece === undefined ? filePlaces(first, segments) : piecePlaces(first, segments);
  const columns = [
    `CAST(${places.seg} AS INTEGER) AS seg`,
    `CAST(${places.off} AS INTEGER) AS off`,
    ...expressions.map(({ sql, as }) => `${sql} AS ${as}`),
  ];
  const conditions = [...places.bounds, ...(where === undefined ? [] : [`(${where})`])];
  const files = `[${places.paths.map(quotePath).join(', ')}]`;
  const read = `read_parquet(${files}, file_row_number = true, hive_partitioning = false, union_by_name = false)`;
  const added = addedColumns(segments, scan);
  const from =
    added.length === 0 ? read : `(SELECT *, ${added.join(', ')}${single ? '' : ', file_index'} FROM ${read})`;
  return `SELECT ${columns.join(', ')} FROM ${from}${
    conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`
  }`;
}

interface Places {
  readonly paths: readonly string[];
  readonly seg: string;
  readonly off: string;
  readonly bounds: readonly string[];
}

/** Of one file, perhaps cut, or of several whole ones. */
function filePlaces(first: number, segments: readonly ShardSegment[]): Places {
  const [segment] = segments as [ShardSegment];
  const paths = segments.map(({ path }) => path);
  if (segments.length > 1) return { paths, seg: `file_index + ${first}`, off: 'file_row_number', bounds: [] };
  return {
    paths,
    seg: String(first),
    off: `file_row_number - ${segment.start}`,
    bounds: [`file_row_number >= ${segment.start}`, `file_row_number < ${segment.end}`],
  };
}

/** Of consecutive pieces of one file: which one a row belongs to, the row itself says. */
function piecePlaces(first: number, segments: readonly ShardSegment[]): Places {
  const pieces = segments.map(({ piece = NO_PIECE, start, end }) => ({
    index: piece.index,
    start: piece.firstRow + start,
    end: piece.firstRow + end,
  }));
  const [one] = pieces as [(typeof pieces)[number]];
  const last = pieces.at(-1) ?? one;
  // Originals without a record are no segments: so lists, by the number of the piece.
  const byIndex = <Value>(of: (at: number) => Value): string => {
    const list = new Array<Value | 'NULL'>(last.index - one.index + 1).fill('NULL');
    for (const [at, { index }] of pieces.entries()) list[index - one.index] = of(at);
    return `[${list.join(', ')}][CAST(${PIECE_COLUMN} AS BIGINT) - ${one.index - 1}]`;
  };
  return {
    paths: [(segments as [ShardSegment])[0].path],
    seg: byIndex((at) => first + at),
    off: `file_row_number - ${byIndex((at) => pieces[at]?.start)}`,
    bounds: [`file_row_number >= ${one.start}`, `file_row_number < ${last.end}`],
  };
}

const NO_PIECE = { index: 0, firstRow: 0 } as const;

/** Columns that the files themselves do not have. */
function addedColumns(segments: readonly ShardSegment[], { showsMalformed, partitionTypes }: Scan): string[] {
  const [{ malformedIn, partition = {} }] = segments as [ShardSegment];
  const fromFolders = Object.keys(partition).map((name) => {
    const values = segments.map((segment) => segment.partition?.[name] ?? null);
    const texts = values.map((value) => (value === null ? 'NULL' : quoteText(value)));
    const value =
      new Set(texts).size === 1 ? texts[0] : `[${texts.join(', ')}][CAST(file_index AS BIGINT) + 1]`;
    return `CAST(${value} AS ${partitionTypes?.get(name) ?? 'VARCHAR'}) AS ${quoteName(name)}`;
  });
  if (showsMalformed !== true || malformedIn !== undefined) return fromFolders;
  const { line, problem, text } = MALFORMED_COLUMNS;
  return [
    ...fromFolders,
    `NULL::BIGINT AS ${line}`,
    `NULL::VARCHAR AS ${problem}`,
    `NULL::VARCHAR AS ${text}`,
  ];
}

/** What a scan needs to know of a request beside its expressions. */
export function scanContext({
  columns,
  showsMalformed = false,
}: Pick<ShardRequest, 'columns' | 'showsMalformed'>): Pick<Scan, 'showsMalformed' | 'partitionTypes'> {
  return { showsMalformed, partitionTypes: new Map(columns.map(({ name, type }) => [name, type])) };
}

/** `source_file` and `source_row` of a row, from its `seg` and `off`. */
export function sourcePlaceSql(segments: readonly ShardSegment[]): { file: string; row: string } {
  const [first] = segments as [ShardSegment];
  if (segments.length === 1)
    return { file: quoteText(first.sourceName), row: `off::BIGINT + ${first.start}` };
  const names = `[${segments.map(({ sourceName }) => quoteText(sourceName)).join(', ')}]`;
  return {
    file: `${names}[seg + 1]`,
    row: `CASE WHEN seg = 0 THEN off::BIGINT + ${first.start} ELSE off::BIGINT END`,
  };
}
