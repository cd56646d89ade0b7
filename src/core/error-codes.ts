/**
 * Every code that the product gives, what it means, how far it reaches and what to do. `docs/errors.md` is generated
 * from this table. `scope` is what the failure rules of `failure-rules.ts` decide by; `exit` is the exit code of the
 * command line when a job or a command ends with it.
 */
export type Scope = 'record' | 'batch-memory' | 'shard' | 'worker' | 'job';

interface ErrorCodeEntry {
  readonly scope: Scope;
  readonly meaning: string;
  readonly next: string;
}

export const ERROR_CODES = {
  // The specification
  SPEC_INVALID: {
    scope: 'job',
    meaning: 'The job specification is not valid.',
    next: 'Correct the field named; docs/job-specification.md lists all keys.',
  },
  SPEC_UNKNOWN_KEY: {
    scope: 'job',
    meaning: 'The job specification has a key that does not exist.',
    next: 'Remove or rename the key.',
  },
  SPEC_NOT_BUILT: {
    scope: 'job',
    meaning: 'The key is part of the specification but this version does not support it yet.',
    next: 'Leave the key out, or use a version that supports it.',
  },
  WHERE_NOT_ALLOWED: {
    scope: 'job',
    meaning: '`input.where` is not a plain condition over the columns of the input.',
    next: 'Use comparisons, arithmetic, AND/OR/NOT, IN, BETWEEN, LIKE, IS NULL and the listed functions only.',
  },

  // The input
  SOURCE_NOT_FOUND: {
    scope: 'job',
    meaning: 'An input file does not exist, or a pattern matches nothing.',
    next: 'Check the path; it is relative to the folder of the job file.',
  },
  SOURCE_UNREADABLE: {
    scope: 'job',
    meaning: 'An input file exists but may not be read.',
    next: 'Give the user that runs the job permission to read the file.',
  },
  SOURCE_CORRUPT: {
    scope: 'job',
    meaning: 'An input file is damaged, or not of the kind that `input.source` says.',
    next: 'Write the file again, or take it out of the input.',
  },
  SOURCE_CHANGED: {
    scope: 'job',
    meaning: 'An input file changed after the job had pinned it.',
    next: 'Put the file back, or start over with --fresh.',
  },
  SCHEMA_MISMATCH: {
    scope: 'job',
    meaning: 'Files that belong together have different columns or types.',
    next: 'Score them in separate jobs, or write them with one schema.',
  },
  COLUMN_MISSING: {
    scope: 'job',
    meaning: 'A column that the job needs is not in the input.',
    next: 'Correct the name; the message lists what is there.',
  },
  COLUMN_AMBIGUOUS: {
    scope: 'job',
    meaning: 'A column name fits more than one column, or a name would stand twice in the output.',
    next: 'Name the columns apart.',
  },
  COLUMN_TYPE: {
    scope: 'job',
    meaning: 'A column has a type that cannot be used for its purpose without loss.',
    next: 'Cast the column in the input, or leave it out.',
  },
  DUPLICATE_KEY: {
    scope: 'job',
    meaning: 'The key column was declared unique and is not.',
    next: 'Remove the duplicates, or leave out `unique_key`.',
  },

  SOURCE_TOO_LARGE: {
    scope: 'job',
    meaning: 'The input has more rows than this machine or server takes.',
    next: 'Score less at once (a WHERE in the query), or have BATCH_MAX_INPUT_ROWS raised.',
  },

  // Databases
  CONFIG_INVALID: {
    scope: 'job',
    meaning: 'The configuration file (batchwright.yaml) cannot be read, or is not valid.',
    next: 'Correct the line named; docs/sql-sources.md shows what can be written.',
  },
  CONNECTION_UNKNOWN: {
    scope: 'job',
    meaning: 'The configuration declares no connection of that name.',
    next: 'Declare it in batchwright.yaml (docs/sql-sources.md); `batchwright connection list` shows what there is.',
  },
  CONNECTION_REFUSED: {
    scope: 'job',
    meaning: 'The database does not let the user in, or its certificate is not trusted.',
    next: 'Check user, password, database and certificate: `batchwright connection test NAME`.',
  },
  CONNECTION_FAILED: {
    scope: 'shard',
    meaning: 'The database cannot be reached, or the connection to it broke off.',
    next: 'Check host and port, and that the server runs: `batchwright connection test NAME`.',
  },
  SECRET_MISSING: {
    scope: 'job',
    meaning: 'The password of a connection cannot be had from where the configuration says.',
    next: 'Set the variable, or correct the file or command named, for the process that runs the job.',
  },
  DRIVER_MISSING: {
    scope: 'job',
    meaning: 'The package that talks to this kind of database is not installed.',
    next: 'Install the package that the message names.',
  },
  WAREHOUSE_LOCKED: {
    scope: 'job',
    meaning: 'The database file is open in another process, which alone may use it.',
    next: 'Let the process named end or close the file, then run the same command again.',
  },
  QUERY_INVALID: {
    scope: 'job',
    meaning: 'The database does not understand the query, or a table or column of it does not exist.',
    next: "Correct the query; the message is the database's own.",
  },
  QUERY_FORBIDDEN: {
    scope: 'job',
    meaning: 'The query is more than one SELECT that only reads.',
    next: 'Give one SELECT; docs/sql-sources.md says what is kept out, and how.',
  },
  QUERY_FAILED: {
    scope: 'job',
    meaning: 'The database understood the query and failed on a row of it.',
    next: "Correct the query; the message is the database's own.",
  },
  QUERY_TIMEOUT: {
    scope: 'job',
    meaning: 'The query took longer than input.timeout_seconds.',
    next: 'Raise input.timeout_seconds, or make the query faster (an index, fewer rows).',
  },

  // Feature preparation
  TRANSFORM_INVALID: {
    scope: 'job',
    meaning: '`input.transform`, or a join of a side input, is wrong: its syntax, a name, or a type.',
    next: 'Correct what the message names; docs/transforms.md shows what can be written.',
  },
  TRANSFORM_FORBIDDEN: {
    scope: 'job',
    meaning: '`input.transform` is more than a SELECT over the input and the side inputs.',
    next: 'Leave out what the message names; docs/transforms.md lists what is allowed.',
  },
  TRANSFORM_FAILED: {
    scope: 'job',
    meaning: 'The preparation of the input failed on a row, or needs more memory than the job may have.',
    next: 'Correct the SQL (TRY_CAST gives null where CAST fails), or raise config.max_memory_gb.',
  },
  JOIN_AMBIGUOUS: {
    scope: 'job',
    meaning: 'Several rows of a side input fit a row of the input equally well.',
    next: 'Remove the duplicates, or say with join.as_of.latest_by which one counts.',
  },

  // The model
  MODEL_NOT_FOUND: {
    scope: 'job',
    meaning: 'There is no such model: neither a file that can be read, nor a version in the registry.',
    next: 'Check model_id; `batchwright model list` lists the models of the registry.',
  },
  MODEL_NAME: {
    scope: 'job',
    meaning: 'The name of a model, version or alias is not well-formed.',
    next: 'Names have letters, digits, `-`, `_` and `.`, at most 100; a file is named by its path (./model.onnx).',
  },
  MODEL_AMBIGUOUS: {
    scope: 'job',
    meaning: 'The model has several versions, and the name alone does not say which.',
    next: 'Name a version or an alias (`churn@3`, `churn@champion`), or give one the alias `default`.',
  },
  MODEL_IN_USE: {
    scope: 'job',
    meaning:
      'The version of the model cannot be removed: an alias stands for it, or an unfinished job uses it.',
    next: 'Move the alias and let the job end, or remove it nevertheless with --force.',
  },
  MODEL_CORRUPT: {
    scope: 'job',
    meaning: 'The stored bytes of a version of a model are missing, or not those that were added.',
    next: 'Add the same file again (`batchwright model add`): that puts its bytes back.',
  },
  MODEL_CHANGED: {
    scope: 'job',
    meaning: 'The model is not the one that the unfinished job was started with.',
    next: 'Put the model back, or start over with --fresh.',
  },
  MODEL_INVALID: {
    scope: 'job',
    meaning: 'The model file is truncated, corrupted or not ONNX.',
    next: 'Export the model again.',
  },
  MODEL_UNSUPPORTED: {
    scope: 'job',
    meaning: 'The model uses an operator, type or output that cannot be run here.',
    next: 'Export the model with other options or a lower opset.',
  },
  MODEL_EXTERNAL_DATA: {
    scope: 'job',
    meaning: 'The model refers to a file outside its own folder.',
    next: 'Keep external data beside the model, under a plain relative name, not as a link.',
  },
  MODEL_BINDING: {
    scope: 'job',
    meaning: 'The columns of the input do not fit the inputs of the model.',
    next: 'Name the columns in input.features, in the order the model was trained with.',
  },
  RUNTIME_MISSING: {
    scope: 'job',
    meaning: 'The package that runs this kind of model is not installed.',
    next: 'ONNXRUNTIME_NODE_INSTALL=skip npm install onnxruntime-node',
  },
  MODEL_FAILED: {
    scope: 'shard',
    meaning: 'The model failed in a way that no single record explains.',
    next: 'See the job log for what the runtime said.',
  },
  MODEL_TIMEOUT: {
    scope: 'shard',
    meaning: 'A call of the model took longer than config.batch_timeout_seconds.',
    next: 'Raise config.batch_timeout_seconds or lower config.batch_size.',
  },
  OUT_OF_MEMORY: {
    scope: 'batch-memory',
    meaning: 'A batch did not fit into memory.',
    next: 'Lower config.batch_size.',
  },

  // Records: the codes of rejects
  ROW_MALFORMED: {
    scope: 'record',
    meaning: 'A line of a CSV or JSON Lines file is no record of the table; the message names the line.',
    next: 'Correct the line; the rejects show its text.',
  },
  NULL_FEATURE: {
    scope: 'record',
    meaning: 'A feature of the record is null.',
    next: 'Fill the value, or set input.on_null.',
  },
  FEATURE_NOT_EXACT: {
    scope: 'record',
    meaning:
      "A value does not fit the model's input type: a whole number would be changed, a number is out of range, or a text has a NUL.",
    next: 'Cast the column in the input if the loss is acceptable.',
  },
  FEATURE_LENGTH: {
    scope: 'record',
    meaning: 'A list of the record has another length than the model takes.',
    next: 'Pad or cut the list in the input.',
  },
  NULL_KEY: {
    scope: 'record',
    meaning: 'The key of the record is null.',
    next: 'Give every record a key, or leave out input.key.',
  },
  MODEL_REFUSED: {
    scope: 'record',
    meaning: 'The model raised an error for this record alone.',
    next: "Look at the record's values; the message is the runtime's.",
  },
  PREDICTION_COUNT: {
    scope: 'record',
    meaning: 'The model gave no prediction, or more than one, for this record.',
    next: 'Look at the model: it must answer every row once.',
  },
  PREDICTION_NOT_FINITE: {
    scope: 'record',
    meaning: 'The prediction is NaN or infinite.',
    next: "Look at the record's values, or set output.allow_non_finite.",
  },
  MODEL_CRASHED: {
    scope: 'record',
    meaning: 'The process of the model died on this record.',
    next: "Look at the record's values; report the crash to the makers of the model.",
  },
  RECORD_TIMEOUT: {
    scope: 'record',
    meaning: 'The model did not finish this one record in config.batch_timeout_seconds.',
    next: "Look at the record's values, or raise the limit.",
  },
  RECORD_OUT_OF_MEMORY: {
    scope: 'record',
    meaning: 'This one record does not fit into memory.',
    next: "Look at the record's values, or raise config.max_memory_gb.",
  },

  // The destination
  DESTINATION_EXISTS: {
    scope: 'job',
    meaning: 'The destination exists and output.mode is `error`.',
    next: 'Choose output.mode overwrite or append, or another path.',
  },
  DESTINATION_FOREIGN: {
    scope: 'job',
    meaning: 'The destination holds files that Batchwright did not write.',
    next: 'Choose an empty folder, or allow it with --adopt.',
  },
  DESTINATION_BUSY: {
    scope: 'job',
    meaning: 'Another unfinished job writes to the same destination.',
    next: 'Wait for it, resume it or cancel it.',
  },
  DESTINATION_IN_INPUT: {
    scope: 'job',
    meaning: 'The destination lies inside the input, or the input inside the destination.',
    next: 'Choose a destination outside the input.',
  },
  DESTINATION_UNWRITABLE: {
    scope: 'job',
    meaning: 'The destination cannot be written.',
    next: 'Check permissions and that every folder of the path is a folder.',
  },
  PUBLISH_SUPERSEDED: {
    scope: 'shard',
    meaning: 'A newer task has taken over the publishing of this job.',
    next: 'Nothing to do: the newer task goes on.',
  },

  // The machine
  DISK_FULL: {
    scope: 'job',
    meaning: 'No space is left on a disk that the job writes to.',
    next: 'Free space, then run the same command again.',
  },
  STORAGE_FAILED: {
    scope: 'shard',
    meaning: 'Reading or writing bytes failed.',
    next: 'See the message; the attempt is repeated.',
  },
  PART_CORRUPT: {
    scope: 'shard',
    meaning: 'A staged part is not what the ledger says.',
    next: 'The shard is scored again.',
  },

  // The course of a job
  WORKER_LOST: {
    scope: 'shard',
    meaning: 'A worker ended or fell silent in the middle of a shard.',
    next: 'The shard is tried again.',
  },
  WORKER_FAILED: { scope: 'shard', meaning: 'A worker could not start.', next: 'See the job log.' },
  RETRIES_EXHAUSTED: {
    scope: 'job',
    meaning: 'A shard or task failed more often than config.retry_count allows.',
    next: 'See the cause; then run the same command again.',
  },
  ERROR_BUDGET_EXCEEDED: {
    scope: 'job',
    meaning: 'More records were rejected than config.error_budget allows.',
    next: 'Repair the records, or raise config.error_budget.',
  },
  JOB_TIMEOUT: {
    scope: 'job',
    meaning: 'The job took longer than config.timeout_minutes.',
    next: 'Raise config.timeout_minutes or config.parallelism.',
  },
  ACCOUNTING: {
    scope: 'job',
    meaning: 'The counts of rows do not add up, so the job may not complete.',
    next: 'This is a fault of ours: please report it with the job log.',
  },

  // Commands
  JOB_NOT_FOUND: { scope: 'job', meaning: 'There is no such job.', next: '`batchwright jobs` lists them.' },
  JOB_FINISHED: { scope: 'job', meaning: 'The job has already ended.', next: 'Nothing to do.' },
  JOB_PUBLISHING: {
    scope: 'job',
    meaning: 'The job is being published and can no longer be cancelled.',
    next: 'Wait until it has completed.',
  },
  JOB_UNFINISHED: {
    scope: 'job',
    meaning: 'The job has published nothing (yet).',
    next: '`batchwright show` tells how far it is.',
  },
  RETRY_NOTHING: {
    scope: 'job',
    meaning:
      'The job has no rejected and no missing rows, or no parts to take over: there is nothing to retry in part.',
    next: 'Score everything again: batchwright retry JOB --mode complete',
  },
  RETRY_EXPIRED: {
    scope: 'job',
    meaning: 'The parts of the job that is to be retried are removed: they are kept for a week.',
    next: 'Score everything again: batchwright retry JOB --mode complete',
  },
  RETRY_PART_CHANGED: {
    scope: 'job',
    meaning:
      'A part of the job that is to be retried was written over: its bytes are not those that were accepted.',
    next: 'Score everything again: batchwright retry JOB --mode complete',
  },
  RETRY_SUPERSEDED: {
    scope: 'job',
    meaning: 'Another job has published to the destination since the job that is to be retried.',
    next: 'Retry the job whose result is there, or run the job again with another output.',
  },
  RETRY_KEY_UNKNOWN: {
    scope: 'job',
    meaning: 'A record of a repaired file is none of the rejected records of the job.',
    next: 'Take it out, or put its key back; `batchwright rejects` gives the records that can be repaired.',
  },
  RETRY_KEY_SCORED: {
    scope: 'job',
    meaning: 'A record of a repaired file has a key that the job has scored.',
    next: 'Take it out of the repaired file: its prediction stays as it is.',
  },
  RETRY_KEY_DUPLICATE: {
    scope: 'job',
    meaning:
      'A record stands more than once in the repaired files, or its key stands for several rejected records.',
    next: 'Keep one of them; records that share a key cannot be told apart and are repaired in the input.',
  },
  RETRY_UNSUPPORTED: {
    scope: 'job',
    meaning: 'This retry is not supported.',
    next: 'Score everything again under another destination: batchwright run --output ...',
  },
  RESULT_GONE: {
    scope: 'job',
    meaning: 'The files of the job were replaced, moved or removed, or their time was up.',
    next: 'Run the job again, or name the folder that the files were moved to.',
  },
  FILE_EXISTS: {
    scope: 'job',
    meaning: 'The file to write is there already.',
    next: 'Choose another name, or remove the file.',
  },
  USAGE: { scope: 'job', meaning: 'The command line is not understood.', next: 'batchwright --help' },
  STATE_LOCKED: {
    scope: 'job',
    meaning: 'Another manager holds the state folder and does not answer.',
    next: 'Stop the process named, or choose another --state.',
  },
  STATE_UNUSABLE: {
    scope: 'job',
    meaning: 'The state folder cannot be made, read or written.',
    next: 'Correct what the message names, or choose another --state.',
  },
  STATE_TOO_NEW: {
    scope: 'job',
    meaning: 'The state folder was written by a newer version.',
    next: 'Use that version.',
  },
  // The service
  SETTING_INVALID: {
    scope: 'job',
    meaning: 'A setting of the server is unknown or wrong, so it does not start.',
    next: 'Correct the setting named; docs/server-settings.md lists all.',
  },
  FORBIDDEN: {
    scope: 'job',
    meaning: 'The key is valid, but its role may not do this.',
    next: 'Use a key of the role named; `batchwright key create` makes one.',
  },
  PATH_FORBIDDEN: {
    scope: 'job',
    meaning: 'The path lies outside the folders that the server lets the tenant use.',
    next: 'Use a path below one of the folders of your tenant (the setting `storage_roots`).',
  },
  INPUT_TOO_LARGE: {
    scope: 'job',
    meaning: 'The input has more rows than the server allows for one job.',
    next: 'Score it in parts, or raise the setting `max_input_rows`.',
  },
  IDEMPOTENCY_CONFLICT: {
    scope: 'job',
    meaning: 'The idempotency key was used before, with another request.',
    next: 'Draw a new key for each new request; send the same body to repeat one.',
  },
  RATE_LIMITED: {
    scope: 'worker',
    meaning: 'The tenant sends more requests than the server allows.',
    next: 'Wait as long as the header Retry-After says, then send the request again.',
  },
  BODY_TOO_LARGE: {
    scope: 'job',
    meaning: 'The body of the request is larger than the server takes.',
    next: 'Send less, or raise the setting named.',
  },
  REQUEST_TIMEOUT: {
    scope: 'worker',
    meaning: 'The body of the request did not arrive in time.',
    next: 'Send the request again.',
  },
  ROUTE_UNKNOWN: {
    scope: 'job',
    meaning: 'There is no such route.',
    next: 'See /docs for all routes.',
  },
  API_KEY_UNKNOWN: {
    scope: 'job',
    meaning: 'There is no such API key.',
    next: '`batchwright key list` lists them.',
  },
  UNAUTHORIZED: {
    scope: 'job',
    meaning: 'The token is missing or wrong.',
    next: 'Use the token that the manager gave out.',
  },
  REQUEST_INVALID: {
    scope: 'job',
    meaning: 'A request does not follow the protocol.',
    next: 'Use a client of the same version as the manager.',
  },
  MANAGER_UNREACHABLE: {
    scope: 'worker',
    meaning: 'The manager does not answer.',
    next: 'Run the same command again: the job goes on where it was.',
  },
  INTERNAL: {
    scope: 'shard',
    meaning: 'Something happened that should not.',
    next: 'Please report it with the job log.',
  },

  // Verification
  VERIFY_NOT_A_RESULT: {
    scope: 'job',
    meaning: 'The folder holds no manifest.',
    next: 'Name the folder that a completed job published.',
  },
  VERIFY_MANIFEST: {
    scope: 'job',
    meaning: 'The manifest is not well-formed or its signature does not fit.',
    next: 'Do not use this result.',
  },
  VERIFY_PART_CHANGED: {
    scope: 'job',
    meaning: 'A file of the result is not the one that was published.',
    next: 'Do not use this result.',
  },
  VERIFY_PART_MISSING: {
    scope: 'job',
    meaning: 'A file of the result is missing.',
    next: 'Do not use this result.',
  },
  VERIFY_PART_ADDED: {
    scope: 'job',
    meaning: 'The result holds a file that the manifest does not name.',
    next: 'Remove the file, or do not use this result.',
  },
  VERIFY_FOREIGN_KEY: {
    scope: 'job',
    meaning: 'The manifest is signed by a key that is not trusted here.',
    next: "Pass the signer's public key with --key if you trust it.",
  },
  KEY_UNUSABLE: {
    scope: 'job',
    meaning: 'A signing key, or a public key given, cannot be used.',
    next: 'Correct what the message names; a signing key is an Ed25519 key in PEM that only its owner can read.',
  },
} as const satisfies Record<string, ErrorCodeEntry>;

export type ErrorCode = keyof typeof ERROR_CODES;

export function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERROR_CODES, code);
}
