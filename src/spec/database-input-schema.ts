import { z } from 'zod';
import { CONNECTION_NAME } from './connections.ts';

const MAX_SQL = 200_000;
const MAX_UNFOLDED = 100;

/** Keys that an input, or side input, of this source has to have: where its rows are. */
export function requiredKeys(source: string): readonly ('path' | 'connection' | 'query' | 'table')[] {
  if (source === 'sql') return ['connection', 'query'];
  return source === 'table' ? ['connection', 'table'] : ['path'];
}

/** Keys of an input that comes out of a database. */
export function databaseInputKeys(column: z.ZodString, columns: z.ZodType<string[]>) {
  return {
    connection: z.string().regex(CONNECTION_NAME).exactOptional().meta({
      is: 'the name of a connection',
      description:
        'With `source: sql` or `table`: the database, by the name that `batchwright.yaml` gives it ([sql-sources.md](sql-sources.md)).',
    }),
    query: z
      .union([
        z
          .string()
          .min(1)
          .max(MAX_SQL)
          .regex(/^[^\0\p{Cs}]*$/u),
        z.strictObject({ file: z.string().min(1).max(4_096) }),
      ])
      .exactOptional()
      .meta({
        is: 'one SQL SELECT, or `{ file: rows.sql }`',
        description:
          'With `source: sql`: one SELECT in the language of the database. It is run once, read-only, in one consistent snapshot, when the job begins.',
      }),
    table: z
      .string()
      .min(1)
      .max(1_000)
      .regex(/^[^\p{Cc}\p{Cs}]*$/u)
      .exactOptional()
      .meta({
        is: 'a name such as `customers`, `shop.customers` or `"odd.name"`',
        description:
          'With `source: table`: the table or view. A dot separates schema and table unless it is in double quotes; `input.columns` reads only some columns.',
      }),
    timeout_seconds: z.number().positive().max(86_400).exactOptional().meta({
      is: 'a number above 0, at most 86400',
      description:
        'With `source: sql` or `table`: how long the statement may take, with the transfer of its rows. Default: 3600.',
    }),
    unfold: z
      .record(column, columns)
      .refine((all) => Object.keys(all).length > 0 && Object.keys(all).length <= MAX_UNFOLDED)
      .exactOptional()
      .meta({
        is: 'a mapping of columns to lists of names of columns',
        description:
          'With `source: sql` or `table`: columns of lists, or of texts that are JSON lists of numbers, become a column of numbers for each element: `{ values: [f1, f2, f3, f4] }`. A row whose list has another length is rejected.',
      }),
  };
}
