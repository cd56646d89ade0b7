/** A list type in DuckDB's words (`DOUBLE[]`, `FLOAT[8][8]`): what the innermost lists hold, and how deep they nest. */
export interface ListType {
  readonly element: string;
  readonly depth: number;
}

/** Null for a type that is no list. */
export function listType(type: string): ListType | null {
  const [, element, brackets] = /^(.*?)((?:\[\d*\])+)$/s.exec(type) ?? [];
  if (element === undefined || brackets === undefined) return null;
  return { element, depth: brackets.split('[').length - 1 };
}
