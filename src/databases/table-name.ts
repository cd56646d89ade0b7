import { Failure } from '../core/errors.ts';

/**
 * The parts of a table's name: `orders`, `shop.orders`, `"odd.schema"."odd ""table"""`. A dot separates parts unless it is in
 * double quotes, in which a double quote is written twice. Fails with SPEC_INVALID.
 */
export function parseTableName(text: string): string[] {
  const parts: string[] = [];
  const part = /"((?:[^"]|"")+)"|([^".]+)/y;
  for (let at = 0; ; at = part.lastIndex + 1) {
    part.lastIndex = at;
    const found = part.exec(text);
    const end = found === null ? at : part.lastIndex;
    if (found === null || (end < text.length && text[end] !== '.')) {
      throw new Failure(
        'SPEC_INVALID',
        `input.table is ${JSON.stringify(text)}, which is no name of a table.`,
        {
          place: { field: 'input.table' },
          next: 'Write schema.table; a name with dots, quotes or spaces goes in double quotes.',
        },
      );
    }
    parts.push(found[1]?.replaceAll('""', '"') ?? (found[2] as string).trim());
    if (end === text.length) return parts;
    part.lastIndex = end;
  }
}

/** `SELECT a, b FROM schema.table`, with every name quoted. */
export function selectFrom(
  table: string,
  columns: readonly string[] | undefined,
  quote: (name: string) => string,
): string {
  const shown = columns === undefined ? '*' : columns.map(quote).join(', ');
  return `SELECT ${shown} FROM ${parseTableName(table).map(quote).join('.')}`;
}

/** As standard SQL quotes a name. */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
