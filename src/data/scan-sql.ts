import { MALFORMED_COLUMNS } from '../core/malformed-columns.ts';
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
 * DuckDB as one list, so that thousands of small files cost one scan. `file_row_number` bounds are pushed down: row groups
 * outside are not read.
 */
export function scanSql(segments: readonly ShardSegment[], scan: Scan): string {
  const groups: { first: number; segments: ShardSegment[]; whole: boolean }[] = [];
  for (const [index, segment] of segments.entries()) {
    const whole = index < segments.length - 1 && segment.start === 0;
    const last = groups.at(-1);
    // Files of one list have the same columns.
    const isAlike = (last?.segments[0]?.malformedIn === undefined) === (segment.malformedIn === undefined);
    if (whole && last?.whole === true && isAlike) last.segments.push(segment);
    else groups.push({ first: index, segments: [segment], whole });
  }
  return groups.map((group) => groupSql(group.first, group.segments, scan)).join(' UNION ALL ');
}

function groupSql(first: number, segments: readonly ShardSegment[], scan: Scan): string {
  const { expressions, where } = scan;
  const [segment] = segments as [ShardSegment];
  const single = segments.length === 1;
  const place = single
    ? [`${first}::INTEGER AS seg`, `CAST(file_row_number - ${segment.start} AS INTEGER) AS off`]
    : [`CAST(file_index + ${first} AS INTEGER) AS seg`, 'CAST(file_row_number AS INTEGER) AS off'];
  const columns = [...place, ...expressions.map(({ sql, as }) => `${sql} AS ${as}`)];
  const bounds = single ? [`file_row_number >= ${segment.start}`, `file_row_number < ${segment.end}`] : [];
  const conditions = [...bounds, ...(where === undefined ? [] : [`(${where})`])];
  const files = `[${segments.map(({ path }) => quotePath(path)).join(', ')}]`;
  const read = `read_parquet(${files}, file_row_number = true, hive_partitioning = false, union_by_name = false)`;
  const added = addedColumns(segments, scan);
  const from =
    added.length === 0 ? read : `(SELECT *, ${added.join(', ')}${single ? '' : ', file_index'} FROM ${read})`;
  return `SELECT ${columns.join(', ')} FROM ${from}${
    conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`
  }`;
}

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
