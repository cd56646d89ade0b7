import type { DuckDBConnection } from '@duckdb/node-api';
import { Failure } from '../../core/errors.ts';
import { MALFORMED_COLUMNS, PIECE_COLUMN } from '../../core/malformed-columns.ts';
import type { JoinSpec } from '../../spec/job-spec.ts';
import { RESERVED_NAMES } from '../describe.ts';
import { quoteName, quotePath, quoteText } from '../duckdb.ts';
import { exactness } from '../exactness.ts';
import { PLAIN_PARQUET_FORMAT } from '../parquet-format.ts';
import { checkSelect, forbidden } from './check-select.ts';
import { joinSql } from './point-in-time.ts';
import {
  openTransformDatabase,
  type ReadTable,
  type TransformDatabase,
  type TransformSettings,
  tableSql,
} from './transform-database.ts';
import { invalid, invalidSql, runFailure } from './transform-failure.ts';

export interface TransformRequest {
  /** The input; SQL calls it `input`. */
  readonly input: Omit<ReadTable, 'name'>;
  readonly sideInputs: readonly (ReadTable & { readonly join?: JoinSpec })[];
  /** The user's SELECT; null: only the declared joins. */
  readonly sql: string | null;
  /** Parquet files to write, which do not exist: the joined input (used if there are both joins and SQL), and the result. */
  readonly joined: string;
  readonly target: string;
  /** By file of the input: where its malformed records go; null for a file without. */
  readonly malformed: readonly (string | null)[];
  /** What `now()` stands for. */
  readonly nowMs: number;
}

export interface Transformed {
  /** Well-formed rows of the input. */
  readonly rowsBefore: number;
  readonly rowsAfter: number;
  /** SQL of the declared joins; null: there are none. */
  readonly joins: string | null;
}

/**
 * Joins the side inputs to the input as declared, then runs the user's SELECT, each result going to a Parquet file; rows that
 * do not fit into memory wait on disk. The joins keep the rows of the input, each once, in their order; that is counted.
 * Malformed records of the input take no part: they are written to files of their own, with the result's columns null.
 * `signal` interrupts a running statement within a tenth of a second.
 *
 * Fails with TRANSFORM_INVALID, TRANSFORM_FORBIDDEN, TRANSFORM_FAILED, JOIN_AMBIGUOUS, COLUMN_MISSING, COLUMN_AMBIGUOUS,
 * DISK_FULL, and what reading Parquet fails with.
 */
export async function runTransform(
  request: TransformRequest,
  settings: TransformSettings,
  signal: AbortSignal,
): Promise<Transformed> {
  const { sideInputs, sql, joined, target, malformed } = request;
  const input: ReadTable = { ...request.input, name: BASE };
  const tables = [input, ...sideInputs];
  const writes = [joined, target, ...malformed.filter((path) => path !== null)];
  await using database = await openTransformDatabase(tables, writes, request.nowMs, settings);
  const run: Run = { ...database, input, request, settings, signal };
  const withJoin = sideInputs.filter(({ join }) => join !== undefined);
  const joinedTo = sql === null ? target : joined;
  const joins = withJoin.length === 0 ? null : await joinSideInputs(run, joinedTo);
  if (joins === null) await execute(run, `CREATE VIEW input AS SELECT * FROM ${BASE}`, 'input');
  else if (sql !== null)
    await execute(run, `CREATE VIEW input AS SELECT * FROM read_parquet(${quotePath(joined)})`, 'input');
  const rowsBefore =
    joins?.rows ?? input.files.reduce((sum, { rows }) => sum + rows, 0) - (await malformedRows(run));
  const rowsAfter = sql === null ? rowsBefore : await select(run, sql);
  for (const [index, path] of malformed.entries()) {
    if (path !== null) await copyMalformed(run, index, path);
  }
  return { rowsBefore, rowsAfter, joins: joins?.sql ?? null };
}

const BASE = '_batchwright_input';

interface Run extends Pick<TransformDatabase, 'connection' | 'volatile'> {
  readonly input: ReadTable;
  readonly request: TransformRequest;
  readonly settings: TransformSettings;
  readonly signal: AbortSignal;
}

async function joinSideInputs(run: Run, target: string): Promise<{ sql: string; rows: number }> {
  const { input, request } = run;
  const added: { readonly name: string; readonly sql: string }[] = [];
  const joins: string[] = [];
  for (const [index, side] of request.sideInputs.entries()) {
    if (side.join === undefined) continue;
    const taken = new Set([...input.columns, ...added].map(({ name }) => name.toLowerCase()));
    const made = joinSql(input.columns, side, side.join, taken, index);
    const [found] = await rowsOf<{ place: string; n: number }>(
      run,
      made.ambiguous,
      `side input ${side.name}`,
    );
    if (found !== undefined) {
      throw new Failure(
        'JOIN_AMBIGUOUS',
        `Side input ${side.name} has ${found.n} rows with ${found.place}: it is not clear which one to join.`,
        {
          place: { field: `input.side_inputs.${side.name}.join` },
          ...(side.join.as_of === undefined
            ? { next: 'Remove the duplicates, or join as of a time with join.as_of.' }
            : {}),
        },
      );
    }
    joins.push(made.join);
    added.push(...made.columns);
  }
  const shown = [
    ...input.columns.map(({ name }) => `b.${quoteName(name)}`),
    ...added.map(({ name, sql }) => `${sql} AS ${quoteName(name)}`),
  ];
  const sql = `SELECT ${shown.join(', ')} FROM ${PLACED} b ${joins.join(' ')} ORDER BY b._batchwright_seg, b._batchwright_off`;
  await execute(run, `CREATE VIEW ${PLACED} AS ${tableSql(input, true)}`, 'joins');
  const expected = input.files.reduce((sum, { rows }) => sum + rows, 0) - (await malformedRows(run));
  const rows = await execute(
    run,
    `COPY (${sql}) TO ${quoteText(target)} (${PLAIN_PARQUET_FORMAT})`,
    'input.side_inputs',
    target,
  );
  if (rows !== expected)
    throw new Failure(
      'ACCOUNTING',
      `The joins made ${rows} rows out of ${expected}; they must keep each once.`,
    );
  return { sql, rows };
}

const PLACED = '_batchwright_placed';

/** Rows of the input that are malformed, by count. */
async function malformedRows(run: Run): Promise<number> {
  const files = run.input.files.filter(({ malformedIn }) => malformedIn !== undefined);
  let rows = 0;
  for (const path of new Set(files.map((file) => file.path))) {
    const [found] = await rowsOf<{ n: number }>(
      run,
      `SELECT count(${MALFORMED_COLUMNS.problem})::DOUBLE AS n FROM read_parquet(${quotePath(path)})`,
      'input',
    );
    rows += found?.n ?? 0;
  }
  return rows;
}

/** Checks the user's SELECT, and writes its rows. */
async function select(run: Run, text: string): Promise<number> {
  const { request } = run;
  await check(run, text);
  const columns = await resultColumns(run, text);
  const casts = columns.map(({ name, type, as }) =>
    as === type ? quoteName(name) : `CAST(${quoteName(name)} AS ${as}) AS ${quoteName(name)}`,
  );
  const isPlain = columns.every(({ type, as }) => as === type);
  // Around a user's text nothing stands that need not: its order of rows is kept.
  const query = isPlain ? text : `SELECT ${casts.join(', ')} FROM (\n${text}\n) AS prepared`;
  const target = request.target;
  return await execute(
    run,
    `COPY (\n${query}\n) TO ${quoteText(target)} (${PLAIN_PARQUET_FORMAT})`,
    'input.transform',
    target,
  );
}

/** Fails unless the text is one SELECT that may run, and means in parentheses what it means alone. */
async function check(run: Run, text: string): Promise<void> {
  const given = await serialize(run, text);
  if (given.error) {
    const { error_type: type, error_message: message = 'it cannot be parsed', position } = given;
    if (type === 'not implemented')
      throw forbidden(
        text,
        'it is no SELECT',
        undefined,
        'Give one SELECT; PIVOT is written as CASE or FILTER.',
      );
    throw invalid(text, message, byteOffset(text, position));
  }
  const tables = new Set(['input', ...run.request.sideInputs.map(({ name }) => name.toLowerCase())]);
  checkSelect({ text, tree: given, tables, volatile: run.volatile });
  const enclosed = await serialize(run, `SELECT * FROM (\n${text}\n) AS prepared`);
  const expected = (await serialize(run, 'SELECT * FROM (SELECT 1) AS prepared')) as Enclosing;
  const from = expected.statements[0]?.node.from_table;
  if (from !== undefined) from.subquery = given.statements?.[0];
  if (withoutPlaces(enclosed) !== withoutPlaces(expected))
    throw forbidden(
      text,
      'it is not a statement of its own',
      undefined,
      'Leave out the semicolon at its end.',
    );
}

/** The parser counts characters where it finds an error; the binder, and the tree, count bytes. */
function byteOffset(text: string, position: string | undefined): number | undefined {
  return position === undefined
    ? undefined
    : Buffer.byteLength([...text].slice(0, Number(position)).join(''));
}

interface Serialized {
  readonly error: boolean;
  readonly error_type?: string;
  readonly error_message?: string;
  readonly position?: string;
  readonly statements?: readonly unknown[];
}

interface Enclosing extends Serialized {
  readonly statements: readonly { readonly node: { from_table: { subquery: unknown } } }[];
}

async function serialize({ connection }: Run, text: string): Promise<Serialized> {
  // The parser stops at a NUL, and would take what stands before it for the whole.
  if (text.includes('\0') || !text.isWellFormed()) throw invalid(text, 'it is not valid text', undefined);
  const reader = await connection.runAndReadAll('SELECT json_serialize_sql($1::VARCHAR)', [text]);
  try {
    return JSON.parse(String(reader.getRows()[0]?.[0])) as Serialized;
  } catch (error) {
    // 1e400 comes as Infinity, which JSON does not have.
    if (error instanceof SyntaxError) throw invalid(text, 'a number is too large for a DOUBLE', undefined);
    throw error;
  }
}

function withoutPlaces(tree: unknown): string {
  return JSON.stringify(tree).replaceAll(/"query_location":[\d.e+]+/g, '"query_location":0');
}

interface ResultColumn {
  readonly name: string;
  readonly type: string;
  /** The type that it is written with. */
  readonly as: string;
}

/** Columns of the result. What Parquet cannot carry exactly is refused, but for sums of whole numbers, which become BIGINT. */
async function resultColumns({ connection }: Run, text: string): Promise<ResultColumn[]> {
  const columns: ResultColumn[] = [];
  try {
    const prepared = await connection.prepare(text);
    try {
      for (let at = 0; at < prepared.columnCount; at += 1) {
        const type = prepared.columnType(at).toString();
        columns.push({ name: prepared.columnName(at), type, as: writtenAs(type) });
      }
    } finally {
      prepared.destroySync();
    }
  } catch (error) {
    throw invalidSql(text, error);
  }
  const seen = new Set<string>();
  const reserved = new Set<string>([...RESERVED_NAMES, ...Object.values(MALFORMED_COLUMNS)]);
  for (const { name, as } of columns) {
    if (seen.has(name.toLowerCase()))
      throw invalid(
        text,
        `two columns of its result are called ${name}; name them apart with AS, or leave one out with EXCLUDE`,
        undefined,
      );
    seen.add(name.toLowerCase());
    if (reserved.has(name))
      throw invalid(text, `a column of its result must not be called ${name}`, undefined);
    const why = exactness({ name, type: as, neverNull: false });
    if (why !== 'exact')
      throw invalid(
        text,
        `column ${name} of its result ${why}; cast it, as in ${quoteName(name)}::DOUBLE`,
        undefined,
      );
  }
  return columns;
}

function writtenAs(type: string): string {
  if (type === 'HUGEINT') return 'BIGINT';
  if (/^ENUM\(/.test(type)) return 'VARCHAR';
  return type.replace(/\[\d+\]$/, '[]');
}

async function copyMalformed(run: Run, index: number, target: string): Promise<void> {
  const file = run.input.files[index];
  if (file === undefined) throw new Error('a file without a name');
  const { line, problem, text } = MALFORMED_COLUMNS;
  await execute(
    run,
    `COPY (SELECT result.*, m.${line}, m.${problem}, m.${text}
       FROM (SELECT ${line}, ${problem}, ${text} FROM read_parquet(${quotePath(file.path)}) WHERE ${problem} IS NOT NULL${
         file.piece === undefined ? '' : ` AND ${PIECE_COLUMN} = ${file.piece.index}`
       }) m
       LEFT JOIN read_parquet(${quotePath(run.request.target)}) result ON false
       ORDER BY m.${line}) TO ${quoteText(target)} (${PLAIN_PARQUET_FORMAT})`,
    'input',
    target,
  );
}

/** Interrupts again and again: an interrupt between two statements would be lost. */
const INTERRUPT_MS = 100;

/** Runs a statement of ours or, around theirs, a user's; gives the rows that it wrote. */
async function execute(run: Run, statement: string, what: string, target?: string): Promise<number> {
  return await interruptible(run, what, target, async (connection) => {
    const { rowsChanged } = await connection.run(statement);
    return rowsChanged;
  });
}

async function rowsOf<Row>(run: Run, query: string, what: string): Promise<Row[]> {
  return await interruptible(
    run,
    what,
    undefined,
    async (connection) => (await connection.runAndReadAll(query)).getRowObjects() as Row[],
  );
}

async function interruptible<Result>(
  { connection, signal, input, request, settings }: Run,
  what: string,
  target: string | undefined,
  act: (connection: DuckDBConnection) => Promise<Result>,
): Promise<Result> {
  signal.throwIfAborted();
  let timer: NodeJS.Timeout | undefined;
  const interrupt = () => {
    connection.interrupt();
    timer ??= setInterval(() => connection.interrupt(), INTERRUPT_MS);
  };
  signal.addEventListener('abort', interrupt);
  try {
    return await act(connection);
  } catch (error) {
    signal.throwIfAborted();
    const reads = [input, ...request.sideInputs].flatMap(({ files }) => files.map(({ path }) => path));
    const place = target === undefined ? { reads } : { reads, writes: target };
    throw runFailure(what, error, place, settings.memoryLimitMb);
  } finally {
    signal.removeEventListener('abort', interrupt);
    clearInterval(timer);
  }
}
