/**
 * The functions and operators that `input.where` may use, by DuckDB's names. Each gives the same for the same row in any
 * run, on any machine and in any shard, has no side effects, and cannot blow a short text up (so no repeat, lpad, replace).
 */
export const WHERE_FUNCTIONS: ReadonlySet<string> = new Set([
  // Operators; LIKE, ILIKE, GLOB and their negations are ~~, ~~*, ~~~, !~~, !~~*
  '+', '-', '*', '/', '//', '%', '**', '^', '&', '|', '<<', '>>', '~', '||', '~~', '!~~', '~~*', '!~~*', '~~~', '^@',
  'like_escape', 'not_like_escape', 'ilike_escape', 'not_ilike_escape',
  // Numbers
  'abs', 'ceil', 'ceiling', 'floor', 'round', 'trunc', 'sign', 'sqrt', 'exp', 'ln', 'log', 'log2', 'log10', 'pow', 'power', 'mod',
  'greatest', 'least', 'isnan', 'isinf', 'isfinite', 'nullif',
  // Text
  'lower', 'lcase', 'upper', 'ucase', 'length', 'len', 'strlen', 'trim', 'ltrim', 'rtrim', 'substring', 'substr', 'left', 'right',
  'starts_with', 'prefix', 'ends_with', 'suffix', 'contains', 'position', 'strpos', 'instr', 'concat', 'reverse', 'split_part',
  'regexp_matches', 'regexp_full_match', 'regexp_extract',
  // Dates and times; with time zone, they are reckoned in UTC
  'date_part', 'date_trunc', 'date_diff', 'datediff', 'year', 'month', 'day', 'hour', 'minute', 'second', 'dayofweek', 'isodow', 'dayofyear',
  'week', 'quarter', 'epoch', 'epoch_ms', 'make_date', 'timezone',
  'to_years', 'to_months', 'to_weeks', 'to_days', 'to_hours', 'to_minutes', 'to_seconds',
  // Lists
  'list_value', 'list_contains', 'list_has', 'array_contains',
]);
