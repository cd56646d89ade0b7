/** A place in a user's text. Both count from 1. */
export interface PlaceInText {
  readonly line: number;
  readonly column: number;
  /** `line 3, column 14`. */
  readonly shown: string;
}

/** Where a byte offset, as DuckDB's parser gives it, lies in a text; null where it gives none. */
export function placeIn(text: string, location: unknown): PlaceInText | null {
  const offset = Number(location);
  const bytes = Buffer.from(text);
  if (
    location === undefined ||
    location === null ||
    !Number.isInteger(offset) ||
    offset < 0 ||
    offset > bytes.length
  )
    return null;
  const before = bytes.subarray(0, offset).toString();
  const lines = before.split('\n');
  const column = [...(lines.at(-1) ?? '')].length + 1;
  return { line: lines.length, column, shown: `line ${lines.length}, column ${column}` };
}
