import { z } from 'zod';
import { DECLARABLE_TYPES, declaredType } from '../core/column-type.ts';
import { databaseInputKeys, requiredKeys } from './database-input-schema.ts';
import { columnName, readableText } from './name-schemas.ts';
import { outputTransformKeys } from './output-transforms-schema.ts';
import { preparationKeys } from './side-inputs-schema.ts';

/**
 * Every key that this version understands, with its bounds, its default, one sentence (`description`) and what a value
 * has to be (`is`): messages and docs/job-specification.md are made from these. What is planned but not built stands in
 * `later-keys.ts`.
 */
declare module 'zod' {
  interface GlobalMeta {
    /** Completes "must be ..." in messages, and is the type in the documentation. */
    is?: string;
  }
}

const column = columnName.meta({ is: 'the name of a column' });
const path = z
  .string()
  .min(1)
  .max(4_096)
  .regex(/^[^\p{Cc}\p{Cs}]*$/u);

const MAX_COLUMNS = 20_000;
const nullText = z
  .string()
  .max(200)
  .regex(/^[^\0\r\n\p{Cs}]*$/u);
const DECLARED = `one of ${DECLARABLE_TYPES.join(', ')}, DECIMAL(p,s), or for JSON Lines a list such as DOUBLE[]`;
const columnList = (least: number) =>
  z
    .array(column)
    .min(least)
    .max(MAX_COLUMNS)
    .superRefine((names, context) => {
      const seen = new Set<string>();
      for (const [at, name] of names.entries()) {
        if (seen.has(name))
          context.addIssue({ code: 'custom', path: [at], message: `names the column ${name} twice` });
        seen.add(name);
      }
    });

/** By model input; a single name stands for a list of one. */
const featureMapping = z
  .record(readableText(1_000), z.union([column, columnList(1)]))
  .refine((inputs) => Object.keys(inputs).length > 0 && Object.keys(inputs).length <= MAX_COLUMNS);

const plainInputSchema = z.strictObject({
  source: z.enum(['parquet', 'csv', 'jsonl', 'sql', 'table']).meta({
    is: '`parquet`, `csv`, `jsonl`, `sql` or `table`',
    description:
      'What kind of files the input is, or that it is a query (`sql`) or a table of a database ([sql-sources.md](sql-sources.md)). CSV and JSON Lines (also as `.gz` or `.zst`) are turned into Parquet first; [formats.md](formats.md) says what is read how.',
  }),
  path: z
    .union([path, z.array(path).min(1).max(10_000)])
    .exactOptional()
    .meta({
      is: 'a path or a list of paths',
      description:
        'Required for files: files, folders (their files of that kind, at any depth) or patterns (`*`, `**`, `?`, `[...]`, `{a,b}`), relative to the folder of the job file.',
    }),
  ...databaseInputKeys(column, columnList(1)),
  key: column.exactOptional().meta({
    description:
      'Column that identifies a record; it comes first in the output. Without it, file and row number do (`source_file`, `source_row`; the first row of a file is 0).',
  }),
  unique_key: z
    .boolean()
    .default(false)
    .meta({ is: 'true or false', description: 'Refuse the input if the key column holds a value twice.' }),
  features: z
    .union([z.literal('auto'), columnList(1), featureMapping])
    .exactOptional()
    .meta({
      is: 'a list of names of columns, each once; a mapping of model inputs to such lists; or `auto`',
      description:
        "The columns that feed the model, in the order it was trained with. `{ input: [a, b], other: c }` for a model with several inputs; `auto` takes the input's columns without the key as they come, if they are exactly as many as the model takes. Without it, each input of the model takes the column of its name.",
    }),
  where: z
    .string()
    .min(1)
    .max(10_000)
    .regex(/^[^\0\p{Cs}]*$/u)
    .exactOptional()
    .meta({
      is: 'a condition over the columns, at most 10000 characters long',
      description:
        'Score only rows for which this SQL condition is true; the others are counted as filtered. Comparisons, arithmetic, and the functions that docs/job-specification.md lists.',
    }),
  columns: columnList(1).exactOptional().meta({
    is: 'a list of names of columns, each once',
    description:
      'The only columns of the input that the job may use: as key, features, included columns, or in `where`. The others are never read. Without it, all.',
  }),
  limit: z.int().min(1).exactOptional().meta({
    is: 'a whole number of at least 1',
    description: 'Read only so many rows, from the start of the first file on, before `where` is applied.',
  }),
  on_null: z
    // Adding zero makes 0 of -0, which JSON cannot say: the same specification must mean the same wherever it is read.
    .union([z.enum(['reject', 'nan']), z.number().overwrite((value) => value + 0)])
    .default('reject')
    .meta({
      is: '`reject`, `nan` or a number',
      description:
        'What becomes of a record with a null in a feature: it is rejected, or the null is replaced by NaN or by the number.',
    }),
  delimiter: z
    .string()
    .overwrite((value) => (value === '\\t' ? '\t' : value))
    .regex(/^[\t !#-,/:;<=>?@[\]^_`{|}~]$/)
    .exactOptional()
    .meta({
      is: 'one character of punctuation, a space or a tab (`\\t`)',
      description: 'With `source: csv`: what separates fields. Default: a comma.',
    }),
  quote: z
    .string()
    .regex(/^[!-/:-@[-`{-~]?$/)
    .exactOptional()
    .meta({
      is: "one character of punctuation, or '' for none",
      description: 'With `source: csv`: what encloses fields; doubled, it stands for itself. Default: `"`.',
    }),
  header: z.boolean().exactOptional().meta({
    is: 'true or false',
    description:
      'With `source: csv`: whether the first line names the columns; without, they are `column0`, `column1` ... Default: true.',
  }),
  null: z
    .union([nullText, z.array(nullText).max(20)])
    .exactOptional()
    .meta({
      is: 'a text of one line, or a list of at most 20',
      description:
        "With `source: csv`: what stands for null, unless it is in quotes. Default: '', nothing. In columns that are no texts, nothing always is null.",
    }),
  decimal: z.enum(['.', ',']).exactOptional().meta({
    is: '`.` or `,`',
    description: 'With `source: csv`: the decimal separator. Default: a point.',
  }),
  types: z
    .record(
      column,
      z
        .string()
        .overwrite((value) => declaredType(value) ?? value)
        .refine((value) => declaredType(value) !== null)
        .meta({ is: DECLARED }),
    )
    .refine((types) => Object.keys(types).length <= MAX_COLUMNS)
    .exactOptional()
    .meta({
      is: 'a mapping of columns to types',
      description: `With \`source: csv\` or \`jsonl\`: declared instead of inferred types; a value that does not fit makes its record malformed. ${DECLARED[0]?.toUpperCase()}${DECLARED.slice(1)}.`,
    }),
});
const tableSchema = plainInputSchema.pick({
  source: true,
  path: true,
  connection: true,
  query: true,
  table: true,
  timeout_seconds: true,
  delimiter: true,
  quote: true,
  header: true,
  null: true,
  decimal: true,
  types: true,
});
const inputSchema = plainInputSchema
  .extend(preparationKeys(column, tableSchema))
  .superRefine((input, context) => {
    for (const key of requiredKeys(input.source))
      if (input[key] === undefined) context.addIssue({ code: 'custom', path: [key], message: 'is missing' });
  })
  .meta({ is: 'a mapping with the keys source, path ...', description: 'The rows to score.' });

const outputSchema = z
  .strictObject({
    destination: z.enum(['parquet', 'csv', 'jsonl']).meta({
      is: '`parquet`, `csv` or `jsonl`',
      description:
        'What kind of output it is. What a format cannot carry exactly is refused (docs/outputs.md).',
    }),
    path: path.meta({
      is: 'a path',
      description: 'The folder to publish, relative to the folder of the job file.',
    }),
    mode: z.enum(['error', 'overwrite', 'append']).default('error').meta({
      is: '`error`, `overwrite` or `append`',
      description: 'If the destination exists: fail, replace it in one step, or add to it in one step.',
    }),
    include: columnList(0).default([]).meta({
      is: 'a list of names of columns, each once',
      description: 'Columns of the input to pass through to the output unchanged, after the key.',
    }),
    columns: z
      .record(readableText(1_000), column)
      .refine((names) => Object.keys(names).length > 0 && Object.keys(names).length <= MAX_COLUMNS)
      .exactOptional()
      .meta({
        is: 'a mapping of model outputs to names of columns',
        description:
          'The model outputs to publish, and the name of the column of each: `{ probability: p_churn }`; `probability[yes]` is one class of it. Without it, all outputs under their own names.',
      }),
    ...outputTransformKeys(column),
    allow_non_finite: z.boolean().default(false).meta({
      is: 'true or false',
      description: 'Publish predictions that are NaN or infinite, instead of rejecting their records.',
    }),
    compression: z.enum(['none', 'gzip', 'zstd']).exactOptional().meta({
      is: '`none`, `gzip` or `zstd`',
      description: 'With `destination: csv` or `jsonl`: how files are compressed. Default: `none`.',
    }),
    escape_formulas: z.boolean().exactOptional().meta({
      is: 'true or false',
      description:
        'With `destination: csv`: puts an apostrophe before texts that a spreadsheet would take for a formula. Default: false, texts stay as they are.',
    }),
  })
  .meta({ is: 'a mapping with the keys destination, path ...', description: 'Where the result goes.' });

const configSchema = z
  .strictObject({
    batch_size: z.int().min(1).max(1_000_000).default(1_000).meta({
      is: 'a whole number from 1 to 1000000',
      description: 'Most records in one call of the model.',
    }),
    parallelism: z.int().min(1).max(10_000).default(4).meta({
      is: 'a whole number from 1 to 10000',
      description: 'Most workers at once; there are no more than shards, or than the machine has room for.',
    }),
    max_memory_gb: z.number().min(0.25).max(65_536).default(16).meta({
      is: 'a number from 0.25 to 65536',
      description: 'Most memory of one worker, in GiB; it gets no more than its share of the machine.',
    }),
    timeout_minutes: z.number().positive().max(43_200).default(60).meta({
      is: 'a number above 0, at most 43200',
      description: 'The job fails when it has taken longer than this.',
    }),
    batch_timeout_seconds: z.number().positive().max(86_400).default(300).meta({
      is: 'a number above 0, at most 86400',
      description:
        'A call of the model that takes longer is stopped, with its worker; a record that does so alone is rejected.',
    }),
    retry_count: z.int().min(0).max(100).default(3).meta({
      is: 'a whole number from 0 to 100',
      description: 'How often a shard is tried again after a failure that may pass.',
    }),
    error_budget: z
      .union([
        z.int().min(0),
        z.string().regex(/^(100(\.0+)?|\d{1,2}(\.\d{1,12})?)\s?%$/),
        z.strictObject({ count: z.int().min(0) }),
        z.strictObject({ share: z.number().min(0).max(1) }),
      ])
      .default(0)
      .meta({
        is: 'a whole number of at least 0, or a percentage such as "0.5%"',
        description:
          'Rejected records that the job may have and still complete: a count, or a percentage of the rows read.',
      }),
  })
  .prefault({})
  .meta({
    is: 'a mapping with the keys batch_size, parallelism ...',
    description:
      'How the job is run. These settings may change when an unfinished job goes on: they are no part of its identity.',
  });

export const jobSpecSchema = z
  .strictObject({
    name: readableText(200).exactOptional().meta({
      is: 'text of at most 200 characters',
      description: "What people call the job. Default: the name of the job file, else the model's.",
    }),
    model_id: path.meta({
      is: 'the path of an .onnx file, or the name of a model in the registry',
      description:
        'The model: the path of an `.onnx` file, relative to the folder of the job file; or a model of the registry (docs/registry.md): `churn`, `churn@3`, `churn@champion`. What has a slash or ends in `.onnx` is a path.',
    }),
    input: inputSchema,
    output: outputSchema,
    config: configSchema,
    tags: z
      .record(readableText(200), z.string().max(1_000).meta({ is: 'text (put numbers in quotes)' }))
      .refine((tags) => Object.keys(tags).length <= 100)
      .default({})
      .meta({
        is: 'a mapping of at most 100 names to texts',
        description: 'Labels for finding the job again; they are in its manifest.',
      }),
    owner: readableText(320)
      .exactOptional()
      .meta({ is: 'text of at most 320 characters', description: 'Who answers for the job.' }),
    provenance: z.record(z.string(), z.json()).default({}).meta({
      is: 'a mapping',
      description:
        'Whatever should stand in the manifest about where the data comes from. It is not interpreted.',
    }),
  })
  .meta({ is: 'a mapping with the keys model_id, input, output ...' });

export type RawJobSpec = z.infer<typeof jobSpecSchema>;
