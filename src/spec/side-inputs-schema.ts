import { z } from 'zod';

const MAX_SIDE_INPUTS = 50;
const MAX_SQL = 200_000;

/** The name of a table in `input.transform`. */
const tableName = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]{0,62}$/)
  .refine((name) => !/^(input|_batchwright.*)$/i.test(name));

/**
 * `input.transform` and `input.side_inputs`. `column`: the schema of the name of a column; `table`: of the keys that say where
 * a table lies and how it is read.
 */
export function preparationKeys<Table extends z.core.$ZodShape>(
  column: z.ZodString,
  table: z.ZodObject<Table, z.core.$strict>,
) {
  const sql = z
    .string()
    .min(1)
    .max(MAX_SQL)
    .regex(/^[^\0\p{Cs}]*$/u);
  const columns = z.array(column).min(1).max(20_000);
  const asOf = z
    .strictObject({
      input: column,
      side: column,
      max_age: z
        .string()
        .regex(/^[1-9]\d{0,8} (second|minute|hour|day|week)s?$/)
        .exactOptional()
        .meta({ is: 'a duration such as `30 days` or `12 hours`' }),
      inclusive: z.boolean().exactOptional().meta({ is: 'true or false' }),
      latest_by: column.exactOptional(),
    })
    .meta({ is: 'a mapping with the keys input, side ...' });
  const join = z
    .strictObject({
      on: z
        .union([column, columns, z.record(column, column).refine((pairs) => Object.keys(pairs).length > 0)])
        .meta({
          is: 'a column, a list of columns, or a mapping of columns of the input to those of the side input',
        }),
      as_of: asOf.exactOptional(),
      columns: columns.exactOptional().meta({ is: 'a list of names of columns' }),
      prefix: z
        .string()
        .regex(/^[^\0\p{Cs}]{1,100}$/u)
        .exactOptional()
        .meta({ is: 'text of at most 100 characters' }),
    })
    .meta({ is: 'a mapping with the keys on, as_of ...' });
  const sideInput = table
    .extend({ join: join.exactOptional() })
    .meta({ is: 'a mapping with the keys source, path, join ...' });
  return {
    transform: z
      .union([sql, z.strictObject({ file: z.string().min(1).max(4_096) })])
      .exactOptional()
      .meta({
        is: 'one SQL SELECT, or `{ file: prepare.sql }`',
        description:
          'One SQL SELECT (DuckDB) over the tables `input` and those of `side_inputs`; the job scores the rows that it gives, and `key`, `features`, `where`, `limit`, `columns` and `include` are about these. [transforms.md](transforms.md).',
      }),
    side_inputs: z
      .record(tableName, sideInput)
      .refine((sides) => Object.keys(sides).length > 0 && Object.keys(sides).length <= MAX_SIDE_INPUTS)
      .exactOptional()
      .meta({
        is: `a mapping of 1 to ${MAX_SIDE_INPUTS} names of tables (letters, digits, _) to mappings with the keys source, path, join ...`,
        description:
          'Other tables, for `transform` to read or to be joined to the input by `join`: `{ on: [customer_id], as_of: { input: event_time, side: valid_from } }` gives each row the latest values that were known at its time. [transforms.md](transforms.md).',
      }),
  };
}
