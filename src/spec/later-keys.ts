/**
 * Keys and values that belong to the specification but are not built yet. They are refused as such (SPEC_NOT_BUILT), so
 * that nobody mistakes one for a typing error or believes that it took effect. Building one moves it to the schema.
 */
export interface LaterKey {
  /** What its value will be. */
  readonly is: string;
  readonly sentence: string;
}

export const LATER_KEYS: Readonly<Record<string, LaterKey>> = {
  schedule: {
    is: 'a mapping: cron or interval, timezone, enabled (default true), exclude, blackout, jitter_seconds, start, end, overlap (default `skip`), catch_up (default `latest`)',
    sentence: 'Runs the job again and again.',
  },
  params: {
    is: 'a mapping',
    sentence: 'Values that paths, queries and table names may refer to in double braces.',
  },
  on_failure: {
    is: '`retry_complete`, `retry_partial` or `carry`',
    sentence: 'What a recurring job does after a failure.',
  },
  test_run: {
    is: 'a mapping: every, limit',
    sentence: 'Scores a sample now and then, without publishing it.',
  },
  must_finish_by: {
    is: 'a time of day, or a time',
    sentence: 'When the result is needed; the job reports when that is at risk.',
  },
  priority: { is: 'a whole number', sentence: 'Order of the jobs of one tenant.' },
  compute: {
    is: 'a mapping: kind (`local`, `ray` or `kubernetes`), address, num_cpus, num_gpus, memory_gb, resources, spot',
    sentence: 'Where the workers run. Without it: on this machine.',
  },
  'output.table_name': { is: 'a name', sentence: 'With `destination: table`: the table.' },
  'output.connection': { is: 'a name', sentence: 'The database, as the server knows it.' },
  'config.concurrency': {
    is: 'a whole number or `auto`',
    sentence: 'Batches that a worker has in the model at once.',
  },
  'config.max_parallelism': {
    is: 'a whole number',
    sentence: 'How far parallelism may be raised to finish in time.',
  },
};

/** By field: values that the field will take. */
export const LATER_VALUES: Readonly<Record<string, readonly string[]>> = {
  'input.source': ['kafka'],
  'output.destination': ['table', 'kafka'],
  'output.mode': ['upsert', 'update'],
  'config.batch_size': ['auto'],
};
