import type { RowRange } from '../core/snapshot.ts';
import type { ShardSegment } from './engine.ts';

/** Segments without pieces: consecutive ones that are pieces of one file become one range of its rows. */
export function wholeSegments(segments: readonly ShardSegment[]): ShardSegment[] {
  const whole: ShardSegment[] = [];
  for (const { piece, ...segment } of segments) {
    if (piece === undefined) {
      whole.push(segment);
      continue;
    }
    const { start, end, fileOffset } = segment;
    const last = whole.at(-1);
    if (last?.path === segment.path) whole[whole.length - 1] = { ...last, end: piece.firstRow + end };
    else
      whole.push({
        ...segment,
        start: piece.firstRow + start,
        end: piece.firstRow + end,
        fileOffset: fileOffset - piece.firstRow,
      });
  }
  return whole;
}

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
