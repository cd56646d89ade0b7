type FlagKind =
  | 'text'
  /** Relative to the working folder. */
  | 'path'
  | 'paths'
  /** `a,b,c`, or the flag several times; a comma inside a name is written `\,`. */
  | 'list'
  /** The same, or the one word `auto`. */
  | 'list-or-auto'
  /** A number where it looks like one, else text. */
  | 'number-or-text'
  | 'switch'
  | 'true-or-false'
  /** As they are, commas too. */
  | 'texts'
  /** As it is, or `@` and the name of a file that holds it. */
  | 'text-or-file'
  /** `name=value`, several times or separated by commas. */
  | 'pairs';

export interface JobFlag {
  /** With its dashes. */
  readonly flag: string;
  /** What stands for the value in help; absent for a switch. */
  readonly value?: string;
  readonly kind: FlagKind;
  /** The field of the specification that it gives. */
  readonly field: string;
  readonly help: string;
}

/** The command-line flags that give a job specification, or override fields of a job file. */
export const JOB_FLAGS: readonly JobFlag[] = [
  { flag: '--name', value: '<text>', kind: 'text', field: 'name', help: 'what to call the job' },
  {
    flag: '--model',
    value: '<file.onnx|name>',
    kind: 'path',
    field: 'model_id',
    help: 'the model: a file, or of the registry: churn, churn@3, churn@champion',
  },
  {
    flag: '--input',
    value: '<path>',
    kind: 'paths',
    field: 'input.path',
    help: 'file, folder or pattern (repeatable)',
  },
  {
    flag: '--source',
    value: '<parquet|csv|jsonl|sql|table>',
    kind: 'text',
    field: 'input.source',
    help: 'kind of the input; without it, told by --input, --query or --table',
  },
  {
    flag: '--connection',
    value: '<name>',
    kind: 'text',
    field: 'input.connection',
    help: 'the database that the rows come from, as batchwright.yaml calls it',
  },
  {
    flag: '--query',
    value: '<select|@file.sql>',
    kind: 'text-or-file',
    field: 'input.query',
    help: 'the rows: one SELECT in the language of the database',
  },
  {
    flag: '--table',
    value: '<schema.name>',
    kind: 'text',
    field: 'input.table',
    help: 'the rows: a table or view of the database',
  },
  {
    flag: '--query-timeout',
    value: '<seconds>',
    kind: 'number-or-text',
    field: 'input.timeout_seconds',
    help: 'longest time for the query',
  },
  {
    flag: '--key',
    value: '<column>',
    kind: 'text',
    field: 'input.key',
    help: 'column that identifies a record',
  },
  {
    flag: '--unique-key',
    kind: 'switch',
    field: 'input.unique_key',
    help: 'refuse an input with a key twice',
  },
  {
    flag: '--features',
    value: '<a,b,...>',
    kind: 'list-or-auto',
    field: 'input.features',
    help: 'columns that feed the model, in its order; or auto',
  },
  {
    flag: '--where',
    value: '<condition>',
    kind: 'text',
    field: 'input.where',
    help: 'score only rows for which this is true',
  },
  {
    flag: '--input-columns',
    value: '<a,b,...>',
    kind: 'list',
    field: 'input.columns',
    help: 'the only columns that may be used',
  },
  {
    flag: '--limit',
    value: '<rows>',
    kind: 'number-or-text',
    field: 'input.limit',
    help: 'read only so many rows',
  },
  {
    flag: '--on-null',
    value: '<reject|nan|number>',
    kind: 'number-or-text',
    field: 'input.on_null',
    help: 'what a null in a feature becomes',
  },
  {
    flag: '--delimiter',
    value: '<character>',
    kind: 'text',
    field: 'input.delimiter',
    help: 'what separates the fields of CSV',
  },
  {
    flag: '--quote',
    value: '<character>',
    kind: 'text',
    field: 'input.quote',
    help: 'what encloses the fields of CSV',
  },
  {
    flag: '--header',
    value: '<true|false>',
    kind: 'true-or-false',
    field: 'input.header',
    help: 'whether the first line of CSV names the columns',
  },
  {
    flag: '--null',
    value: '<text>',
    kind: 'texts',
    field: 'input.null',
    help: 'what stands for null in CSV (repeatable)',
  },
  {
    flag: '--decimal',
    value: '<.|,>',
    kind: 'text',
    field: 'input.decimal',
    help: 'the decimal separator of CSV',
  },
  {
    flag: '--types',
    value: '<column=TYPE,...>',
    kind: 'pairs',
    field: 'input.types',
    help: 'declared types of columns of CSV or JSON Lines',
  },
  {
    flag: '--transform',
    value: '<select|@file.sql>',
    kind: 'text-or-file',
    field: 'input.transform',
    help: 'SQL that prepares the input, where it is table input',
  },
  { flag: '--output', value: '<folder>', kind: 'path', field: 'output.path', help: 'where the result goes' },
  {
    flag: '--destination',
    value: '<parquet|csv|jsonl>',
    kind: 'text',
    field: 'output.destination',
    help: 'format of the result',
  },
  {
    flag: '--compression',
    value: '<none|gzip|zstd>',
    kind: 'text',
    field: 'output.compression',
    help: 'of csv and jsonl files',
  },
  {
    flag: '--escape-formulas',
    kind: 'switch',
    field: 'output.escape_formulas',
    help: 'make texts in csv files harmless to spreadsheets',
  },
  {
    flag: '--mode',
    value: '<error|overwrite|append>',
    kind: 'text',
    field: 'output.mode',
    help: 'what to do if the output exists',
  },
  {
    flag: '--include',
    value: '<a,b,...>',
    kind: 'list',
    field: 'output.include',
    help: 'columns to pass through',
  },
  {
    flag: '--columns',
    value: '<output=name,...>',
    kind: 'pairs',
    field: 'output.columns',
    help: 'model outputs to publish, and their names',
  },
  {
    flag: '--softmax',
    value: '<a,b,...>',
    kind: 'list',
    field: 'output.softmax',
    help: 'model outputs whose scores become probabilities',
  },
  {
    flag: '--flatten',
    value: '<a,b,...>',
    kind: 'list',
    field: 'output.flatten',
    help: 'model outputs of which each class becomes a column',
  },
  {
    flag: '--argmax',
    value: '<output=name,...>',
    kind: 'pairs',
    field: 'output.argmax',
    help: 'columns for the best class of model outputs',
  },
  {
    flag: '--allow-non-finite',
    kind: 'switch',
    field: 'output.allow_non_finite',
    help: 'publish NaN and infinite predictions',
  },
  {
    flag: '--batch-size',
    value: '<rows>',
    kind: 'number-or-text',
    field: 'config.batch_size',
    help: 'most records in one call of the model',
  },
  {
    flag: '--parallelism',
    value: '<workers>',
    kind: 'number-or-text',
    field: 'config.parallelism',
    help: 'most workers at once',
  },
  {
    flag: '--max-memory-gb',
    value: '<GiB>',
    kind: 'number-or-text',
    field: 'config.max_memory_gb',
    help: 'most memory of one worker',
  },
  {
    flag: '--timeout-minutes',
    value: '<minutes>',
    kind: 'number-or-text',
    field: 'config.timeout_minutes',
    help: 'longest time for the job',
  },
  {
    flag: '--batch-timeout-seconds',
    value: '<seconds>',
    kind: 'number-or-text',
    field: 'config.batch_timeout_seconds',
    help: 'longest time for one call of the model',
  },
  {
    flag: '--retry-count',
    value: '<times>',
    kind: 'number-or-text',
    field: 'config.retry_count',
    help: 'how often to try a shard again',
  },
  {
    flag: '--error-budget',
    value: '<count|percent%>',
    kind: 'number-or-text',
    field: 'config.error_budget',
    help: 'rejected records that are allowed',
  },
  {
    flag: '--tag',
    value: '<name=value>',
    kind: 'pairs',
    field: 'tags',
    help: 'label of the job (repeatable)',
  },
  { flag: '--owner', value: '<text>', kind: 'text', field: 'owner', help: 'who answers for the job' },
];

/** What was given on the command line, by flag with its dashes: text, each text of a repeated flag, or true for a switch. */
export type FlagValues = Readonly<Record<string, string | readonly string[] | boolean | undefined>>;
