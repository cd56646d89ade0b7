import { Failure } from '../../core/errors.ts';
import { placeIn } from './place-in.ts';

/** A user's SELECT to check, as DuckDB's parser understood it. */
export interface SelectQuestion {
  readonly text: string;
  /** What `json_serialize_sql` gives for it, parsed. */
  readonly tree: unknown;
  /** Names of the tables that it may read, in lower case. */
  readonly tables: ReadonlySet<string>;
  /** Functions of the engine that give another value each time, in lower case. */
  readonly volatile: ReadonlySet<string>;
}

/**
 * Checks that a statement is one SELECT that reads nothing but the given tables. What is not known to be harmless is refused:
 * only the kinds of nodes below pass, only tables that are given or named in a WITH, only table functions that make rows out
 * of their arguments, and no function that tells of the machine or gives another answer each time.
 *
 * Fails with TRANSFORM_FORBIDDEN, naming the construct with line and column where the parser tells them.
 */
export function checkSelect(question: SelectQuestion): void {
  const { statements } = question.tree as { statements: unknown[] };
  if (statements.length !== 1)
    throw forbidden(question.text, `it holds ${statements.length} statements`, undefined, 'Give one SELECT.');
  const tables = new Set(question.tables);
  for (const name of commonTables(statements, question.text)) tables.add(name);
  const check = { ...question, tables };
  const open: unknown[] = [statements[0]];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (typeof next !== 'object' || next === null) continue;
    if (!Array.isArray(next)) checkNode(next as Node, check);
    for (const child of Object.values(next)) if (child !== null && child !== undefined) open.push(child);
  }
}

export function forbidden(text: string, what: string, location: unknown, next?: string): Failure {
  const at = placeIn(text, location);
  return new Failure(
    'TRANSFORM_FORBIDDEN',
    `input.transform: ${what}${at === null ? '' : ` (${at.shown})`}.`,
    {
      place: { field: 'input.transform', ...(at === null ? {} : { line: at.line }) },
      ...(next === undefined ? {} : { next }),
    },
  );
}

type Node = { readonly [member: string]: unknown };

const EXPRESSIONS = new Set([
  'BETWEEN',
  'CASE',
  'CAST',
  'COLLATE',
  'COLUMN_REF',
  'COMPARISON',
  'CONJUNCTION',
  'CONSTANT',
  'FUNCTION',
  'LAMBDA',
  'LAMBDA_REF',
  'OPERATOR',
  'POSITIONAL_REFERENCE',
  'STAR',
  'SUBQUERY',
  'TYPE',
  'WINDOW',
]);

/** Kinds of query, of what stands behind FROM, and of what may follow a query. */
const PARTS = new Set([
  'SELECT_NODE',
  'SET_OPERATION_NODE',
  'RECURSIVE_CTE_NODE',
  'CTE_NODE',
  'BASE_TABLE',
  'EMPTY',
  'EXPRESSION_LIST',
  'JOIN',
  'PIVOT',
  'SUBQUERY',
  'TABLE_FUNCTION',
  'DISTINCT_MODIFIER',
  'LIMIT_MODIFIER',
  'LIMIT_PERCENT_MODIFIER',
  'ORDER_MODIFIER',
]);

/** They make rows out of their arguments. */
const TABLE_FUNCTIONS = new Set(['unnest', 'range', 'generate_series', 'json_each', 'json_tree']);

/** What tells of the machine, the session or the files, or takes SQL as text. All that is volatile comes on top. */
const FORBIDDEN_FUNCTION =
  /^(getenv|getvariable|current_setting|set_config|read_.*|glob|sniff_csv|parquet_.*|query|query_table|json_execute_serialized_sql|json_serialize_plan|write_log|parse_duckdb_log_message|duckdb_.*|pragma_.*|pg_.*|has_.*_privilege|inet_.*|txid_current|current_(query|schemas?|database|catalog|user|role).*|session_user|in_search_path|version|get_block_size|vector_type|st_.*)$/;

/** Shadowed by macros that give the time of the job; with a schema in front they would not be. */
const QUALIFIED = new Set(['', 'main']);

function checkNode(node: Node, check: SelectQuestion): void {
  const { text } = check;
  const refuse = (what: string, next?: string): never => {
    throw forbidden(text, what, node.query_location, next);
  };
  const kind = node.class;
  if (typeof kind === 'string') {
    if (kind === 'PARAMETER') refuse('a parameter ($1, ?) has no value here');
    if (!EXPRESSIONS.has(kind)) refuse(`${kind} is not allowed`);
    if (kind === 'FUNCTION' || kind === 'WINDOW') checkFunction(node, check, refuse);
    return;
  }
  const { type } = node;
  if (typeof type !== 'string' || isOfValue(node)) return;
  if (type === 'SHOW_REF') refuse('SHOW, DESCRIBE and SUMMARIZE are not allowed');
  if (!PARTS.has(type)) refuse(`${type} is not allowed`);
  if (node.sample !== null && node.sample !== undefined)
    refuse(
      'a sample is another one each time',
      'Choose rows by a hash of the key: WHERE hash(customer_id) % 10 = 0.',
    );
  if (type === 'BASE_TABLE') checkTable(node, check, refuse);
  if (type === 'TABLE_FUNCTION') {
    const { function_name: name } = node.function as Node;
    if (typeof name !== 'string' || !TABLE_FUNCTIONS.has(name.toLowerCase()))
      refuse(
        `the table function ${String(name)} is not allowed`,
        `Allowed: ${[...TABLE_FUNCTIONS].join(', ')}.`,
      );
  }
}

/** Types, directions and the like have a `type`, too, but are no parts of a query. */
function isOfValue({ type }: Node): boolean {
  return /_TYPE_INFO$|^ORDER_(DEFAULT|ASCENDING|DESCENDING)$|^(ASCENDING|DESCENDING)$/.test(String(type));
}

function checkTable(
  { table_name, schema_name, catalog_name }: Node,
  { tables }: SelectQuestion,
  refuse: (what: string, next?: string) => never,
): void {
  const name = String(table_name);
  const isQualified = schema_name !== '' || catalog_name !== '';
  if (!isQualified && tables.has(name.toLowerCase())) return;
  const full = [catalog_name, schema_name, name].filter((part) => part !== '').join('.');
  refuse(
    `there is no table ${JSON.stringify(full)}`,
    `The tables are ${[...tables].join(', ')}; other tables are declared in input.side_inputs.`,
  );
}

function checkFunction(
  node: Node,
  { volatile }: SelectQuestion,
  refuse: (what: string, next?: string) => never,
): void {
  const name = String(node.function_name).toLowerCase();
  const schema = String(node.schema ?? '');
  if (!QUALIFIED.has(schema.toLowerCase()) || String(node.catalog ?? '') !== '')
    refuse(`the function ${schema}.${name} is not allowed`, 'Write the name of the function alone.');
  if (FORBIDDEN_FUNCTION.test(name)) refuse(`the function ${name} is not allowed`);
  if (volatile.has(name))
    refuse(
      `the function ${name} gives another answer each time`,
      'Use hash() of the key where chance is wanted.',
    );
  if (name === 'age' && Array.isArray(node.children) && node.children.length === 1)
    refuse('age() of one time depends on the clock', 'Give both times: age(now(), since).');
}

/** Names that WITH gives, wherever it stands. Those that could be paths of files are refused. */
function commonTables(statements: readonly unknown[], text: string): string[] {
  const names: string[] = [];
  const open: unknown[] = [...statements];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (typeof next !== 'object' || next === null) continue;
    const { cte_map: map } = next as { cte_map?: { map?: readonly { key: string }[] } };
    for (const { key } of map?.map ?? []) {
      if (!/^[\p{L}_][\p{L}\p{N}_ ]*$/u.test(key))
        throw forbidden(text, `the name ${JSON.stringify(key)} of a WITH is no plain word`, undefined);
      names.push(key.toLowerCase());
    }
    for (const child of Object.values(next)) if (child !== null && child !== undefined) open.push(child);
  }
  return names;
}
