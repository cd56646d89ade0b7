import { quotePath, quoteText } from './duckdb.ts';
import type { ShardSegment } from './engine.ts';

/**
 * SQL that yields the rows of a range, in order, with their place: `seg`, the index of the segment, and `off`, the row's
 * number in the segment from 0 (both INTEGER).
 */
export interface Scan {
  /** Row expressions (over the input's columns) under the names that they get. */
  readonly expressions: readonly { readonly sql: string; readonly as: string }[];
  readonly where?: string;
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
    if (whole && last?.whole === true) last.segments.push(segment);
    else groups.push({ first: index, segments: [segment], whole });
  }
  return groups.map((group) => groupSql(group.first, group.segments, scan)).join(' UNION ALL ');
}

function groupSql(first: number, segments: readonly ShardSegment[], { expressions, where }: Scan): string {
  const [segment] = segments as [ShardSegment];
  const single = segments.length === 1;
  const place = single
    ? [`${first}::INTEGER AS seg`, `CAST(file_row_number - ${segment.start} AS INTEGER) AS off`]
    : [`CAST(file_index + ${first} AS INTEGER) AS seg`, 'CAST(file_row_number AS INTEGER) AS off'];
  const columns = [...place, ...expressions.map(({ sql, as }) => `${sql} AS ${as}`)];
  const bounds = single ? [`file_row_number >= ${segment.start}`, `file_row_number < ${segment.end}`] : [];
  const conditions = [...bounds, ...(where === undefined ? [] : [`(${where})`])];
  const files = `[${segments.map(({ path }) => quotePath(path)).join(', ')}]`;
  return `SELECT ${columns.join(', ')} FROM read_parquet(${files}, file_row_number = true, hive_partitioning = false, union_by_name = false)${
    conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`
  }`;
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
