import type { RowRange } from '../core/snapshot.ts';
import type { ShardSegment } from './engine.ts';

/** The part of the segments of a range (which starts at `origin`) that covers `rows`. */
export function cutSegments(
  segments: readonly ShardSegment[],
  origin: number,
  rows: RowRange,
): ShardSegment[] {
  const cut: ShardSegment[] = [];
  let at = origin;
  for (const segment of segments) {
    const next = at + segment.end - segment.start;
    const start = Math.max(at, rows.start);
    const end = Math.min(next, rows.end);
    if (start < end)
      cut.push({ ...segment, start: segment.start + start - at, end: segment.start + end - at });
    at = next;
  }
  return cut;
}
