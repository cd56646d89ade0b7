import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import type { SourceColumn } from '../core/snapshot.ts';
import {
  type CheckedCondition,
  checkCondition,
  WHERE_PREFIX,
  whereRefused,
  withoutPlaces,
} from '../spec/where.ts';

export interface SafeCondition {
  /** SQL made from the checked tree, in parentheses; names only columns of the input, without a table's name. */
  readonly sql: string;
  /** The columns it uses, as the input spells them. */
  readonly columns: readonly string[];
}

/**
 * Turns `input.where` into SQL that is safe to embed. The user's text is parsed by DuckDB itself, the tree is checked
 * (`checkCondition`), SQL is made from the checked tree, parsed again and compared with it, and bound against the columns'
 * types: so nothing of the text but its checked meaning is left, and most
 * wrong types and constants are found before the first row is read (not those behind an AND or CASE). Takes some 25 ms.
 *
 * Fails with WHERE_NOT_ALLOWED, COLUMN_MISSING or COLUMN_AMBIGUOUS.
 */
export async function parseWhere(
  text: string,
  columns: readonly Pick<SourceColumn, 'name' | 'type'>[],
): Promise<SafeCondition> {
  return await withParser((connection) => safeCondition(text, columns, connection));
}

/**
 * What can be said of `input.where` before types are known: it parses, nothing in it is refused, its columns are there. Fails
 * as `parseWhere` does.
 */
export async function checkWhereNames(text: string, columns: readonly string[]): Promise<void> {
  await withParser((connection) => parsedCondition(text, columns, connection));
}

async function withParser<Answer>(work: (connection: DuckDBConnection) => Promise<Answer>): Promise<Answer> {
  const instance = await DuckDBInstance.create(':memory:', {
    threads: '1',
    memory_limit: '256MB',
    max_expression_depth: '250',
    enable_external_access: 'false',
    autoload_known_extensions: 'false',
    autoinstall_known_extensions: 'false',
    lock_configuration: 'true',
  });
  try {
    const connection = await instance.connect();
    try {
      return await work(connection);
    } finally {
      connection.closeSync();
    }
  } finally {
    instance.closeSync();
  }
}

async function parsedCondition(
  text: string,
  columns: readonly string[],
  connection: DuckDBConnection,
): Promise<CheckedCondition> {
  // The parser stops at a NUL, and would take what stands before it for the whole.
  if (text.includes('\0') || !text.isWellFormed())
    throw whereRefused(text, 'it is not valid text', undefined);
  const given = await serialize(WHERE_PREFIX + text, connection);
  const parsed = parseAnswer(given, text);
  if (parsed.error) {
    throw whereRefused(
      text,
      parsed.error_message ?? 'it cannot be parsed',
      parsed.position === undefined ? undefined : Number(parsed.position),
    );
  }
  return checkCondition({
    text,
    statement: given,
    bareStatement: await serialize('SELECT * FROM t', connection),
    columns,
  });
}

async function safeCondition(
  text: string,
  columns: readonly Pick<SourceColumn, 'name' | 'type'>[],
  connection: DuckDBConnection,
): Promise<SafeCondition> {
  const names = columns.map((column) => column.name);
  const checked = await parsedCondition(text, names, connection);
  const made = await scalar('SELECT json_deserialize_sql($1::JSON)', checked.statement, connection);
  if (
    !made.startsWith(WHERE_PREFIX) ||
    withoutPlaces(await serialize(made, connection)) !== withoutPlaces(checked.statement)
  ) {
    throw whereRefused(
      text,
      'it cannot be written down without changing its meaning',
      undefined,
      'Write it in another way.',
    );
  }
  const sql = `(${made.slice(WHERE_PREFIX.length)})`;
  await bind(
    sql,
    text,
    columns.filter((column) => checked.columns.includes(column.name)),
    connection,
  );
  return { sql, columns: checked.columns };
}

interface Serialized {
  readonly error: boolean;
  readonly error_message?: string;
  readonly position?: string;
}

function parseAnswer(given: string, text: string): Serialized {
  try {
    return JSON.parse(given);
  } catch (error) {
    // 1e400 comes as Infinity, which JSON does not have.
    if (error instanceof SyntaxError)
      throw whereRefused(text, 'a number is too large for a DOUBLE', undefined, 'Write a smaller number.');
    throw error;
  }
}

/** Functions that do not fit their arguments, constants that do not fit a column, a condition that is no truth value: DuckDB says so. */
async function bind(
  sql: string,
  text: string,
  columns: readonly Pick<SourceColumn, 'name' | 'type'>[],
  connection: DuckDBConnection,
): Promise<void> {
  const definitions = columns.map(({ name, type }) => `"${name.replaceAll('"', '""')}" ${type}`);
  await connection.run(
    `CREATE TABLE t (${definitions.length === 0 ? 'no_column INTEGER' : definitions.join(', ')})`,
  );
  // Without a row, DuckDB does not look at constants.
  await connection.run('INSERT INTO t DEFAULT VALUES');
  let type: string;
  try {
    await connection.run(`SELECT * FROM t WHERE ${sql}`);
    type = await scalar(`SELECT typeof(${sql}), $1 FROM t`, '', connection);
  } catch (error) {
    throw whereRefused(
      text,
      firstLine(error),
      undefined,
      'Correct the condition; casts are written column::TYPE or TRY_CAST(column AS TYPE).',
    );
  }
  if (type !== 'BOOLEAN' && type !== '"NULL"')
    throw whereRefused(text, `it is ${type}, and not true or false`, undefined, 'Compare it with something.');
}

function serialize(sql: string, connection: DuckDBConnection): Promise<string> {
  return scalar('SELECT json_serialize_sql($1::VARCHAR)', sql, connection);
}

async function scalar(sql: string, argument: string, connection: DuckDBConnection): Promise<string> {
  const reader = await connection.runAndReadAll(sql, [argument]);
  return String(reader.getRows()[0]?.[0]);
}

function firstLine(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return (message.split('\n')[0] ?? message).replace(/\.$/, '');
}
