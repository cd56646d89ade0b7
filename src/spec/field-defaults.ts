/**
 * Defaults of fields that have a flag, as help shows them. They stand in the schema; but help must not wait for the
 * schema to load (90 ms). `flags.test.ts` holds the two together.
 */
export const FIELD_DEFAULTS: Readonly<Record<string, string>> = {
  'input.on_null': 'reject',
  'output.mode': 'error',
  'config.batch_size': '1000',
  'config.parallelism': '4',
  'config.max_memory_gb': '16',
  'config.timeout_minutes': '60',
  'config.batch_timeout_seconds': '300',
  'config.retry_count': '3',
  'config.error_budget': '0',
};
