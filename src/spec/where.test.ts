import { expect, test } from 'vitest';
import { Failure } from '../core/errors.ts';
import { checkCondition } from './where.ts';

/** Trees as DuckDB's parser would give them, or never would: the check does not rely on later layers to refuse them. */
type Tree = Record<string, unknown>;

const common = { alias: '', query_location: 22 };
const column: Tree = { class: 'COLUMN_REF', type: 'COLUMN_REF', ...common, column_names: ['A'] };

function constant(id: string, value: unknown): Tree {
  return {
    class: 'CONSTANT',
    type: 'VALUE_CONSTANT',
    ...common,
    value: { type: { id, type_info: null }, is_null: false, value },
  };
}

function lower(changes: Tree): Tree {
  return {
    class: 'FUNCTION',
    type: 'FUNCTION',
    ...common,
    function_name: 'lower',
    schema: '',
    children: [column],
    filter: null,
    order_bys: { type: 'ORDER_MODIFIER', orders: [] },
    distinct: false,
    is_operator: false,
    export_state: false,
    catalog: '',
    ...changes,
  };
}

function check(condition: unknown, statements: (statement: Tree) => Tree[] = (statement) => [statement]) {
  const statement = (where: unknown) => ({
    node: { type: 'SELECT_NODE', modifiers: [], where_clause: where },
  });
  return checkCondition({
    text: 'lower(A)',
    statement: JSON.stringify({ error: false, statements: statements(statement(condition)) }),
    bareStatement: JSON.stringify({ error: false, statements: [statement(null)] }),
    columns: ['a', 'b'],
  });
}

function refusal(run: () => unknown): Failure {
  try {
    run();
  } catch (error) {
    if (error instanceof Failure) return error;
    throw error;
  }
  throw new Error('was not refused');
}

test('what is known passes, with columns as the input spells them', () => {
  const { columns, statement } = check(lower({}));
  expect(columns).toEqual(['a']);
  expect(statement).toContain('"column_names":["a"]');
});

test.each<readonly [string, Tree]>([
  ['a member that nobody knows', lower({ on_error: 'RUN' })],
  ['a column with more than a name', { ...column, table: 't' }],
  ['a function of another schema', lower({ schema: 'other' })],
  ['a function of another database', lower({ catalog: 'other' })],
  ['a function that is not on the list', lower({ function_name: 'getenv' })],
  ['a function named like a member of every object', lower({ function_name: 'constructor' })],
  ['FILTER', lower({ filter: column })],
  ['DISTINCT', lower({ distinct: true })],
  ['ORDER BY', lower({ order_bys: { type: 'ORDER_MODIFIER', orders: [{ expression: column }] } })],
  ['the state of an aggregate', lower({ export_state: true })],
  ['a named argument', lower({ children: [{ ...column, alias: 'string' }] })],
  ['a child that is no node', lower({ children: ['x'] })],
  ['a class that nobody knows', { ...column, class: 'MAGIC' }],
  ['a class named like a member of every object', { ...column, class: 'constructor' }],
  [
    'a known class of another type',
    { class: 'OPERATOR', type: 'OPERATOR_UNPACK', ...common, children: [column] },
  ],
  ['a constant of a type that nobody knows', constant('POINTER', 1)],
  [
    'a subquery deep inside',
    lower({ children: [lower({ children: [{ class: 'SUBQUERY', type: 'SUBQUERY', ...common }] })] }),
  ],
])('%s is refused, at its place', (_, tree) => {
  const failure = refusal(() => check(tree));
  expect(failure.code).toBe('WHERE_NOT_ALLOWED');
});

test('a second statement, or anything beside the condition, is refused', () => {
  expect(refusal(() => check(column, (statement) => [statement, statement])).message).toMatch(
    /more than one statement/,
  );
  expect(refusal(() => check(column, () => [])).message).toMatch(/more than one statement/);
  expect(
    refusal(() => check(column, (statement) => [{ ...statement, named_param_map: [1] }])).message,
  ).toMatch(/more than a condition/);
  const limited = (statement: Tree) => [
    { ...statement, node: { ...(statement.node as Tree), modifiers: [{ type: 'LIMIT_MODIFIER' }] } },
  ];
  expect(refusal(() => check(column, limited)).message).toMatch(/more than a condition/);
});

test('as many levels as the parser lets pass are looked at', () => {
  const leaf = JSON.stringify(column);
  const open = `{"class":"OPERATOR","type":"OPERATOR_NOT","alias":"","query_location":22,"children":[`;
  const deep = (inner: string) =>
    `{"statements":[{"node":{"where_clause":${open.repeat(250)}${inner}${']}'.repeat(250)}}}]}`;
  const question = {
    text: '',
    bareStatement: '{"statements":[{"node":{"where_clause":null}}]}',
    columns: ['a'],
  };
  expect(checkCondition({ ...question, statement: deep(leaf) }).columns).toEqual(['a']);
  expect(refusal(() => checkCondition({ ...question, statement: deep('{"class":"STAR"}') })).code).toBe(
    'WHERE_NOT_ALLOWED',
  );
});
