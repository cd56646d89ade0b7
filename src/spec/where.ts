import { Failure } from '../core/errors.ts';
import { nearest } from '../core/nearest.ts';
import { WHERE_FUNCTIONS } from './where-functions.ts';

/** A condition to check, as DuckDB's parser understood it. */
export interface Question {
  /** What the user wrote. */
  readonly text: string;
  /** What `json_serialize_sql` gives for `WHERE_PREFIX` and the text. */
  readonly statement: string;
  /** What it gives for the same statement without a condition. */
  readonly bareStatement: string;
  readonly columns: readonly string[];
}

export interface CheckedCondition {
  /** The columns it uses, as the input spells them, in order of first use. */
  readonly columns: readonly string[];
  /** JSON of the statement to make SQL from: the one given, with columns as the input spells them and constants made exact. */
  readonly statement: string;
}

/** What stands before the user's text in the statement that is parsed. */
export const WHERE_PREFIX = 'SELECT * FROM t WHERE ';

/**
 * Checks the tree of a user's condition. Whatever is not known to be harmless is refused: only the node classes below pass,
 * with exactly the members they are known to have, and only functions of `WHERE_FUNCTIONS`: deterministic, of one row,
 * without side effects. So no subqueries, table functions, aggregates, windows, parameters, lambdas, stars, collations,
 * types of a user's. Names must be columns of the input; letter case does not count.
 *
 * Fails with WHERE_NOT_ALLOWED, naming the node and its position in the text, COLUMN_MISSING or COLUMN_AMBIGUOUS.
 */
export function checkCondition(question: Question): CheckedCondition {
  const tree = parseExactly(question.statement);
  const check = { text: question.text, byName: groupByName(question.columns), used: new Set<string>() };
  const open: Node[] = [conditionOf(tree, question)];
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    for (const child of checkNode(node, check).toReversed()) open.push(child);
  }
  return { columns: [...check.used], statement: JSON.stringify(tree) };
}

/** Nodes say where they stood in the text; two statements that differ in nothing else mean the same. */
export function withoutPlaces(statement: string): string {
  return statement.replaceAll(/"query_location":\d+/g, '"query_location":0');
}

/** A condition that is refused; `location` is a byte offset in the statement. */
export function whereRefused(text: string, what: string, location: unknown, next?: string): Failure {
  const at = position(text, location);
  return new Failure(
    'WHERE_NOT_ALLOWED',
    `input.where: ${what}${at === null ? '' : ` (at character ${at})`}.`,
    {
      place: { field: 'input.where' },
      ...(next === undefined ? {} : { next }),
    },
  );
}

type Node = { [member: string]: unknown };

interface Check {
  readonly text: string;
  readonly byName: ReadonlyMap<string, readonly string[]>;
  readonly used: Set<string>;
}

/** The one expression of `SELECT * FROM t WHERE expression`, when there is nothing else in the statement. */
function conditionOf(tree: unknown, { text, bareStatement }: Question): Node {
  const { statements } = tree as { statements: { node: Node }[] };
  const [statement] = statements;
  if (statement === undefined || statements.length !== 1)
    throw whereRefused(text, 'more than one statement', undefined);
  const condition = statement.node.where_clause;
  const rest = {
    ...(tree as Node),
    statements: [{ ...statement, node: { ...statement.node, where_clause: null } }],
  };
  if (!isNode(condition) || withoutPlaces(JSON.stringify(rest)) !== withoutPlaces(bareStatement)) {
    throw whereRefused(
      text,
      'more than a condition (ORDER BY, LIMIT, GROUP BY, UNION and the like)',
      undefined,
    );
  }
  return condition;
}

/** By class of node: its members beside class, type, alias and query_location; its types; and its children. */
const CLASSES: Readonly<
  Record<
    string,
    {
      members: readonly string[];
      types: readonly string[];
      children: (node: Node, check: Check) => unknown[];
    }
  >
> = {
  COLUMN_REF: { members: ['column_names'], types: ['COLUMN_REF'], children: checkColumn },
  CONSTANT: { members: ['value'], types: ['VALUE_CONSTANT'], children: checkConstant },
  COMPARISON: {
    members: ['left', 'right'],
    types: [
      'COMPARE_EQUAL',
      'COMPARE_NOTEQUAL',
      'COMPARE_LESSTHAN',
      'COMPARE_GREATERTHAN',
      'COMPARE_LESSTHANOREQUALTO',
      'COMPARE_GREATERTHANOREQUALTO',
      'COMPARE_DISTINCT_FROM',
      'COMPARE_NOT_DISTINCT_FROM',
    ],
    children: ({ left, right }) => [left, right],
  },
  CONJUNCTION: { members: ['children'], types: ['CONJUNCTION_AND', 'CONJUNCTION_OR'], children: listed },
  BETWEEN: {
    members: ['input', 'lower', 'upper'],
    types: ['COMPARE_BETWEEN'],
    children: ({ input, lower, upper }) => [input, lower, upper],
  },
  OPERATOR: {
    members: ['children'],
    types: [
      'OPERATOR_NOT',
      'OPERATOR_IS_NULL',
      'OPERATOR_IS_NOT_NULL',
      'OPERATOR_COALESCE',
      'COMPARE_IN',
      'COMPARE_NOT_IN',
      'ARRAY_EXTRACT',
    ],
    children: listed,
  },
  CASE: { members: ['case_checks', 'else_expr'], types: ['CASE_EXPR'], children: checkCase },
  CAST: { members: ['child', 'cast_type', 'try_cast'], types: ['OPERATOR_CAST'], children: checkCast },
  FUNCTION: {
    members: [
      'function_name',
      'schema',
      'children',
      'filter',
      'order_bys',
      'distinct',
      'is_operator',
      'export_state',
      'catalog',
    ],
    types: ['FUNCTION'],
    children: checkFunction,
  },
};

function checkNode(node: Node, check: Check): Node[] {
  const { class: kind, type, alias, query_location: location } = node;
  const known = Object.hasOwn(CLASSES, String(kind)) ? CLASSES[String(kind)] : undefined;
  if (known === undefined || !known.types.includes(String(type))) {
    throw whereRefused(check.text, `${NAMES[String(kind)] ?? String(type)} is not allowed`, location);
  }
  const stranger = Object.keys(node).find((member) => !known.members.includes(member) && !COMMON.has(member));
  if (stranger !== undefined)
    throw whereRefused(check.text, `${type} with ${stranger} is not allowed`, location);
  if (alias !== '')
    throw whereRefused(check.text, `the name ${String(alias)} for an expression is not allowed`, location);
  return known.children(node, check).map((child) => {
    if (!isNode(child)) throw whereRefused(check.text, `${type} is not allowed in this form`, location);
    return child;
  });
}

const COMMON: ReadonlySet<string> = new Set(['class', 'type', 'alias', 'query_location']);

const NAMES: Readonly<Record<string, string>> = {
  SUBQUERY: 'a subquery',
  WINDOW: 'a window function',
  LAMBDA: 'a lambda or arrow (->)',
  LAMBDA_REF: 'a lambda',
  PARAMETER: 'a parameter',
  STAR: 'a star (*)',
  COLLATE: 'COLLATE',
  DEFAULT: 'DEFAULT',
  POSITIONAL_REFERENCE: 'a column by position (#1)',
};

function listed({ children }: Node): unknown[] {
  return children as unknown[];
}

function checkColumn(node: Node, { text, byName, used }: Check): unknown[] {
  const names = node.column_names as string[];
  const location = node.query_location;
  const [name] = names;
  if (name === undefined || names.length !== 1) {
    throw whereRefused(
      text,
      `${names.join('.')} is not the plain name of a column`,
      location,
      "Write the column alone, and a field of a struct as column['field'].",
    );
  }
  const found = byName.get(fold(name)) ?? [];
  const [column] = found;
  if (column === undefined) throw missingColumn(name, position(text, location), [...byName.values()].flat());
  if (found.length > 1) {
    throw new Failure(
      'COLUMN_AMBIGUOUS',
      `input.where names ${name}, which may be any of the columns ${found.join(', ')}.`,
      {
        place: { field: 'input.where' },
      },
    );
  }
  node.column_names = [column];
  used.add(column);
  return [];
}

/**
 * Constants that would not survive being written as SQL are made casts of their text: `0.1e0` would come back as the
 * decimal 0.1, `true` as a cast.
 */
function checkConstant(node: Node, { text }: Check): unknown[] {
  const {
    type,
    is_null: isNull,
    value,
  } = node.value as { type: { id: string }; is_null: boolean; value: unknown };
  if (type.id === 'NULL' || CONSTANTS.has(type.id)) {
    if (!isNull && type.id === 'DOUBLE') become(node, castOf(String(value), 'DOUBLE', node.query_location));
    if (!isNull && type.id === 'BOOLEAN')
      become(node, castOf(value === true ? 't' : 'f', 'BOOLEAN', node.query_location));
    return [];
  }
  throw whereRefused(text, `a constant of type ${type.id} is not allowed`, node.query_location);
}

const CONSTANTS: ReadonlySet<string> = new Set([
  'BOOLEAN',
  'INTEGER',
  'BIGINT',
  'HUGEINT',
  'UHUGEINT',
  'DECIMAL',
  'DOUBLE',
  'VARCHAR',
]);

function castOf(text: string, type: string, location: unknown): Node {
  const value = { type: { id: 'VARCHAR', type_info: null }, is_null: false, value: text };
  const child = { class: 'CONSTANT', type: 'VALUE_CONSTANT', alias: '', query_location: location, value };
  const castType = { id: type, type_info: null };
  return {
    class: 'CAST',
    type: 'OPERATOR_CAST',
    alias: '',
    query_location: location,
    child,
    cast_type: castType,
    try_cast: false,
  };
}

function become(node: Node, other: Node): void {
  for (const member of Object.keys(node)) delete node[member];
  Object.assign(node, other);
}

function checkCase(node: Node, { text }: Check): unknown[] {
  const checks = node.case_checks as Node[];
  for (const branch of checks) {
    if (Object.keys(branch).toSorted().join() !== 'then_expr,when_expr') {
      throw whereRefused(text, 'CASE is not allowed in this form', node.query_location);
    }
  }
  return [...checks.flatMap(({ when_expr, then_expr }) => [when_expr, then_expr]), node.else_expr];
}

function checkCast(node: Node, { text }: Check): unknown[] {
  let type = node.cast_type as { id: string; type_info: { child_type?: unknown } | null };
  while (type.id === 'LIST' && type.type_info?.child_type !== undefined)
    type = type.type_info.child_type as typeof type;
  const plain = type.id === 'DECIMAL' || type.type_info === null;
  if (!plain || !CAST_TYPES.has(type.id)) {
    throw whereRefused(
      text,
      `a cast to a type other than ${[...CAST_TYPES].join(', ')} or lists of these is not allowed`,
      node.query_location,
    );
  }
  return [node.child];
}

const CAST_TYPES: ReadonlySet<string> = new Set(
  [
    'BOOLEAN,TINYINT,SMALLINT,INTEGER,BIGINT,HUGEINT,UTINYINT,USMALLINT,UINTEGER,UBIGINT,UHUGEINT,FLOAT,DOUBLE,DECIMAL',
    'VARCHAR,BLOB,UUID,DATE,TIME,TIMESTAMP,TIMESTAMP_S,TIMESTAMP_MS,TIMESTAMP_NS,TIMESTAMP WITH TIME ZONE,INTERVAL',
  ].flatMap((names) => names.split(',')),
);

function checkFunction(node: Node, { text }: Check): unknown[] {
  const name = String(node.function_name);
  const schema = node.schema;
  const location = node.query_location;
  if (!WHERE_FUNCTIONS.has(name) || node.catalog !== '' || (schema !== '' && schema !== 'main')) {
    throw whereRefused(
      text,
      `the function ${name} is not allowed`,
      location,
      `Allowed are operators and: ${[...WHERE_FUNCTIONS].filter((known) => /^[a-z]/.test(known)).join(', ')}.`,
    );
  }
  const plain = node.filter === null && node.distinct === false && node.export_state === false;
  if (!plain || (node.order_bys as { orders: unknown[] }).orders.length > 0) {
    throw whereRefused(text, `DISTINCT, FILTER and ORDER BY in ${name}() are not allowed`, location);
  }
  return node.children as unknown[];
}

function missingColumn(name: string, at: number | null, all: readonly string[]): Failure {
  const near = nearest(name, all);
  const hint =
    near === undefined
      ? `The columns are: ${all.slice(0, 20).join(', ')}${all.length > 20 ? ', ...' : ''}.`
      : `Did you mean ${near}?`;
  const where = at === null ? '' : ` (at character ${at})`;
  return new Failure(
    'COLUMN_MISSING',
    `input.where names ${name}${where}, which is no column of the input. ${hint}`,
    {
      place: { field: 'input.where' },
    },
  );
}

function groupByName(columns: readonly string[]): Map<string, string[]> {
  const groups = new Map<string, string[]>();
  for (const column of columns) groups.set(fold(column), [...(groups.get(fold(column)) ?? []), column]);
  return groups;
}

/** As DuckDB compares names: ASCII letters only. */
function fold(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase());
}

/** 1-based, in characters; null where the parser gives none (it then says 2^64 - 1). */
function position(text: string, location: unknown): number | null {
  const offset = typeof location === 'number' ? location - WHERE_PREFIX.length : -1;
  if (offset < 0 || offset > Buffer.byteLength(text)) return null;
  return [...Buffer.from(text).subarray(0, offset).toString()].length + 1;
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Numbers that a double cannot hold (a BIGINT constant, say) are kept as they are written, by "JSON.parse source text
 * access" (ECMAScript 2026, in Node since 21).
 */
function parseExactly(text: string): unknown {
  return exactJson.parse(text, (_key, value, { source }) => {
    const exact =
      typeof value !== 'number' ||
      source === undefined ||
      !/^-?\d+$/.test(source) ||
      Number.isSafeInteger(value);
    return exact ? value : exactJson.rawJSON(source);
  });
}

const exactJson = JSON as unknown as {
  parse(
    text: string,
    reviver: (key: string, value: unknown, context: { readonly source?: string }) => unknown,
  ): unknown;
  rawJSON(text: string): unknown;
};
