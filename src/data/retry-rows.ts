import duckdb, { type Connection } from '@duckdb/node-bindings';
import { Failure } from '../core/errors.ts';
import { matchingColumns } from '../core/find-column.ts';
import { MALFORMED_COLUMNS, PLACE_COLUMNS } from '../core/malformed-columns.ts';
import type { SourceColumn } from '../core/snapshot.ts';
import { queryJson, quoteName, quotePath, quoteText } from './duckdb.ts';
import { duckdbFailure } from './duckdb-failure.ts';
import type { ShardSegment } from './engine.ts';
import { PARQUET_FORMAT } from './parquet-format.ts';
import { exportedPlace, rejectColumns } from './reject-columns.ts';
import { scanSql, sourcePlaceSql } from './scan-sql.ts';

/** What decides which rejected records are scored again, and with which values. All paths are local. */
export interface RetryRowsRequest {
  /** Columns of the input. */
  readonly columns: readonly SourceColumn[];
  /** Null: `source_file` and `source_row` are the key. */
  readonly key: string | null;
  /** Files of rejects, all with the same columns; at least one. */
  readonly rejects: readonly string[];
  readonly scored: readonly string[];
  /** Null: all rejects but malformed records are scored as they were. */
  readonly repaired: readonly RepairedTable[] | null;
  /** Parquet files to write, unless there are no rows for them. */
  readonly rowsTo: string;
  readonly carriedTo: string;
}

/** A repaired file that was read into Parquet, if it was none. */
export interface RepairedTable {
  readonly path: string;
  /** Of the file that a person knows. */
  readonly shown: string;
}

export interface RetryRows {
  /** Rejects that are scored again. */
  readonly rows: number;
  /** Rejects that stay, with their reason. */
  readonly carried: number;
}

/**
 * Parts rejects into those to be scored again, as rows of the input, and those that stay. A repaired record takes the
 * place of the reject with its key; of a malformed one, which has none, by the file and line it was read from.
 *
 * Fails with COLUMN_MISSING and COLUMN_TYPE (a repaired file does not fit the input's columns), RETRY_KEY_UNKNOWN,
 * RETRY_KEY_SCORED, RETRY_KEY_DUPLICATE, RETRY_UNSUPPORTED (a column has the name of the place that is the key).
 */
export async function retryRows(connection: Connection, request: RetryRowsRequest): Promise<RetryRows> {
  const { rejects, rowsTo, carriedTo, repaired } = request;
  const reads = [...rejects, ...request.scored, ...(repaired ?? []).map(({ path }) => path)];
  const statement = async (sql: string, writes?: string): Promise<number> => {
    try {
      return duckdb.rows_changed(await duckdb.query(connection, sql));
    } catch (error) {
      throw duckdbFailure(error, { reads, ...(writes === undefined ? {} : { writes }) });
    }
  };
  const copy = (sql: string, to: string) =>
    statement(`COPY (${sql}) TO ${quoteText(to)} (${PARQUET_FORMAT})`, to);
  const hasMalformed = (await columnsOf(connection, rejects[0] as string)).has(MALFORMED_COLUMNS.line);
  const from = rejectsSql(request);
  if (repaired === null) {
    const again = hasMalformed ? `${MALFORMED_COLUMNS.line} IS NULL` : 'true';
    return {
      rows: await copy(`SELECT ${originals(request).join(', ')} FROM ${from} WHERE ${again}`, rowsTo),
      carried: await copy(`SELECT * EXCLUDE (file_row_number) FROM ${from} WHERE NOT (${again})`, carriedTo),
    };
  }
  const tables = await Promise.all(repaired.map((table, at) => repairedSql(connection, table, at, request)));
  await statement(
    `CREATE OR REPLACE TEMP TABLE retry_reject AS SELECT ${[
      'file_index AS rf',
      'file_row_number AS rn',
      ...identity(request.key).map((name, at) => `${quoteName(name)} AS k${at}`),
      hasMalformed && request.key !== null
        ? `${MALFORMED_COLUMNS.line} AS ml, ${MALFORMED_COLUMNS.file} AS mf`
        : 'NULL::BIGINT AS ml, NULL::VARCHAR AS mf',
    ].join(', ')} FROM ${from}`,
  );
  const keys = identity(request.key).map((_, at) => `k${at}`);
  await statement(
    `CREATE OR REPLACE TEMP TABLE retry_repaired AS ${tables
      .map(
        ({ from: rows, keys: named, line, file }) =>
          `SELECT f, n, ${named.map((sql, at) => `${sql} AS k${at}`).join(', ')}, ${line} AS ml, ${file} AS mf FROM ${rows}`,
      )
      .join(' UNION ALL ')}`,
  );
  await statement(
    `CREATE OR REPLACE TEMP TABLE retry_match AS
     SELECT p.f, p.n, r.rf, r.rn FROM retry_repaired p JOIN retry_reject r ON ${keys.map((k) => `p.${k} = r.${k}`).join(' AND ')}
      WHERE p.ml IS NULL AND r.ml IS NULL
     UNION ALL
     SELECT p.f, p.n, r.rf, r.rn FROM retry_repaired p JOIN retry_reject r ON p.ml = r.ml AND p.mf = r.mf`,
  );
  await requireMatches(connection, request);
  const rows = tables.map(({ from: table, columns }) => `SELECT f, n, ${columns.join(', ')} FROM ${table}`);
  const names = [...request.columns.map(({ name }) => quoteName(name)), ...placeNames(request.key)];
  return {
    rows: await copy(`SELECT ${names.join(', ')} FROM (${rows.join(' UNION ALL ')}) ORDER BY f, n`, rowsTo),
    carried: await copy(
      `SELECT * EXCLUDE (rf, rn, file_row_number) FROM (SELECT *, file_index AS rf, file_row_number AS rn FROM ${from}) each
        WHERE NOT EXISTS (SELECT 1 FROM retry_match m WHERE m.rf = each.rf AND m.rn = each.rn)
        ORDER BY rf, rn`,
      carriedTo,
    ),
  };
}

/** Rows of the input that no shard has answered: `segments` of its files, with the columns that workers look for. */
export interface MissingRowsRequest {
  readonly columns: readonly SourceColumn[];
  readonly key: string | null;
  readonly segment: ShardSegment;
  readonly to: string;
}

/** Writes one piece of a file of the input as a file of its own; returns its rows. */
export async function missingRows(
  connection: Connection,
  { columns, key, segment, to }: MissingRowsRequest,
): Promise<number> {
  const isMalformed = segment.malformedIn !== undefined;
  const place = sourcePlaceSql([segment]);
  const expressions = [
    ...columns.map(({ name }) => ({ sql: quoteName(name), as: quoteName(name) })),
    ...(isMalformed
      ? [MALFORMED_COLUMNS.line, MALFORMED_COLUMNS.problem, MALFORMED_COLUMNS.text].map((name) => ({
          sql: name,
          as: name,
        }))
      : []),
    ...(key === null && segment.placed === true
      ? placeNames(key).map((name) => ({ sql: name, as: name }))
      : []),
  ];
  const scan = scanSql([segment], {
    expressions,
    showsMalformed: isMalformed,
    partitionTypes: new Map(columns.map(({ name, type }) => [name, type])),
  });
  const placed =
    key === null && segment.placed !== true
      ? `, ${place.file} AS ${PLACE_COLUMNS.file}, ${place.row} AS ${PLACE_COLUMNS.row}`
      : '';
  try {
    const result = await duckdb.query(
      connection,
      `COPY (SELECT * EXCLUDE (seg, off)${placed} FROM (${scan})) TO ${quoteText(to)} (${PARQUET_FORMAT})`,
    );
    return duckdb.rows_changed(result);
  } catch (error) {
    throw duckdbFailure(error, { reads: [segment.path], writes: to });
  }
}

/** Line and problem of the first malformed record of a file that has some. */
export async function firstMalformed(
  connection: Connection,
  path: string,
): Promise<{ line: number; problem: string }> {
  const { line, problem } = MALFORMED_COLUMNS;
  const [first] = await queryJson<{ line: number; problem: string }>(
    connection,
    `SELECT ${line} AS line, ${problem} AS problem FROM read_parquet(${quotePath(path)}) WHERE ${line} IS NOT NULL ORDER BY 1 LIMIT 1`,
  ).catch((error: unknown) => {
    throw duckdbFailure(error, { reads: [path] });
  });
  if (first === undefined) throw new Error('no record is malformed');
  return first;
}

function identity(key: string | null): string[] {
  return key === null ? ['source_file', 'source_row'] : [key];
}

function placeNames(key: string | null): string[] {
  return key === null ? [PLACE_COLUMNS.file, PLACE_COLUMNS.row] : [];
}

function rejectsSql({ rejects }: RetryRowsRequest): string {
  return `read_parquet([${rejects.map(quotePath).join(', ')}], file_row_number = true, hive_partitioning = false, union_by_name = false)`;
}

/** The columns of the input out of a file of rejects. */
function originals({ columns, key }: RetryRowsRequest): string[] {
  const stored = rejectColumns(
    columns.map(({ name }) => name),
    key ?? undefined,
  );
  return [
    ...stored.map((column) => `${quoteName(column.stored)} AS ${quoteName(column.original)}`),
    ...(key === null ? [`source_file AS ${PLACE_COLUMNS.file}`, `source_row AS ${PLACE_COLUMNS.row}`] : []),
  ];
}

interface RepairedSql {
  readonly from: string;
  /** Of the input, under their names, and the place where there is no key. */
  readonly columns: readonly string[];
  readonly keys: readonly string[];
  /** Where a malformed record was read from; null for all others. */
  readonly line: string;
  readonly file: string;
}

async function repairedSql(
  connection: Connection,
  { path, shown }: RepairedTable,
  at: number,
  { columns, key }: RetryRowsRequest,
): Promise<RepairedSql> {
  const clash = key === null ? columns.find(({ name }) => /^source_(file|row)$/i.test(name)) : undefined;
  if (clash !== undefined) {
    throw new Failure(
      'RETRY_UNSUPPORTED',
      `The input has a column "${clash.name}", and no key column: a repaired record cannot be told by its place.`,
      { place: { field: clash.name }, next: 'Correct the input itself, and run the job again.' },
    );
  }
  const own = await columnsOf(connection, path);
  const ownColumns = [...own].map(([name, type]) => ({ name, type, neverNull: false }));
  const find = (name: string): { name: string; type: string } => {
    const [column] = matchingColumns(name, ownColumns);
    if (column !== undefined) return column;
    throw new Failure('COLUMN_MISSING', `${shown} has no column "${name}".`, {
      place: { file: shown, field: name },
      next: 'Keep all columns of the input that `batchwright rejects` has exported.',
    });
  };
  const from = `(SELECT ${at} AS f, file_row_number AS n, * FROM read_parquet(${quotePath(path)}, file_row_number = true, hive_partitioning = false))`;
  const casts = columns.map(({ name, type }) => {
    const column = find(name);
    return {
      name,
      type,
      own: column.type,
      column: quoteName(column.name),
      sql: `CAST(${quoteName(column.name)} AS ${type})`,
    };
  });
  await requireTypes(connection, path, shown, casts);
  const exported = exportedPlace(columns.map(({ name }) => name));
  const [fileColumn] = matchingColumns(exported.file, ownColumns);
  const [lineColumn] = matchingColumns(exported.line, ownColumns);
  const isPlaced = key !== null && fileColumn !== undefined && lineColumn !== undefined;
  const place = key === null ? [find('source_file'), find('source_row')] : [];
  const keys =
    key === null
      ? [
          `CAST(${quoteName(place[0]?.name ?? '')} AS VARCHAR)`,
          `CAST(${quoteName(place[1]?.name ?? '')} AS BIGINT)`,
        ]
      : [casts.find(({ name }) => name === key)?.sql ?? 'NULL'];
  return {
    from,
    columns: [
      ...casts.map(({ sql, name }) => `${sql} AS ${quoteName(name)}`),
      ...placeNames(key).map((name, index) => `${keys[index]} AS ${name}`),
    ],
    keys,
    line: isPlaced ? `CAST(${quoteName(lineColumn.name)} AS BIGINT)` : 'NULL::BIGINT',
    file: isPlaced ? `CAST(${quoteName(fileColumn.name)} AS VARCHAR)` : 'NULL::VARCHAR',
  };
}

/** Every value has to be one of the input's type, exactly: a fraction is no number of a BIGINT column. */
async function requireTypes(
  connection: Connection,
  path: string,
  shown: string,
  casts: readonly { name: string; type: string; own: string; column: string }[],
): Promise<void> {
  for (const { name, type, own, column } of casts) {
    if (own === type) continue;
    const [wrong] = await queryJson<{ value: string; row: number }>(
      connection,
      `SELECT ${column}::VARCHAR AS value, file_row_number + 1 AS row FROM read_parquet(${quotePath(path)}, file_row_number = true, hive_partitioning = false)
        WHERE ${column} IS NOT NULL AND TRY_CAST(TRY_CAST(${column} AS ${type}) AS ${own}) IS DISTINCT FROM ${column} LIMIT 1`,
    ).catch((error: unknown) => {
      throw new Failure('COLUMN_TYPE', `Column "${name}" of ${shown} is ${own}, and of the input ${type}.`, {
        place: { file: shown, field: name },
        next: 'Give it the type of the input; parquet keeps all types.',
        cause: error,
      });
    });
    if (wrong === undefined) continue;
    throw new Failure(
      'COLUMN_TYPE',
      `Column "${name}" of ${shown} holds ${JSON.stringify(wrong.value)} in record ${wrong.row}, which is no value of the input's type ${type}.`,
      { place: { file: shown, field: name, row: String(wrong.row) }, next: 'Correct the value.' },
    );
  }
}

interface Refused {
  readonly f: number;
  readonly n: number;
  readonly key: string | null;
  readonly scored: boolean;
}

/** Each repaired record is one reject, and each reject at most one record. */
async function requireMatches(connection: Connection, request: RetryRowsRequest): Promise<void> {
  const { key, scored, repaired } = request;
  const keys = identity(key).map((_, at) => `k${at}`);
  const keyText = keys.map((k) => `p.${k}::VARCHAR`).join(` || ':' || `);
  const shownKey = key ?? 'source_file:source_row';
  const placeOf = ({ f, n }: { f: number; n: number }) => `record ${n + 1} of ${repaired?.[f]?.shown}`;
  const scoredIn =
    scored.length === 0
      ? 'false'
      : `EXISTS (SELECT 1 FROM read_parquet([${scored.map(quotePath).join(', ')}], hive_partitioning = false) s WHERE ${identity(
          key,
        )
          .map((name, at) => `s.${quoteName(name)} = p.k${at}`)
          .join(' AND ')})`;
  const isMatched = 'EXISTS (SELECT 1 FROM retry_match m WHERE m.f = p.f AND m.n = p.n)';
  const [stray] = await queryJson<Refused>(
    connection,
    `SELECT p.f, p.n, ${keyText} AS key, ${scoredIn} AS scored FROM retry_repaired p WHERE NOT ${isMatched} ORDER BY p.f, p.n LIMIT 1`,
  );
  if (stray !== undefined) {
    const what = stray.key === null ? `has no ${shownKey}` : `has ${shownKey} = ${stray.key}`;
    throw stray.scored
      ? new Failure(
          'RETRY_KEY_SCORED',
          `${placeOf(stray)} ${what}, which the job has scored.`,
          refusedAt(stray),
        )
      : new Failure(
          'RETRY_KEY_UNKNOWN',
          `${placeOf(stray)} ${what}: the job has rejected no such record.`,
          refusedAt(stray),
        );
  }
  const [twice] = await queryJson<Refused>(
    connection,
    `SELECT p.f, p.n, ${keyText} AS key, false AS scored FROM retry_repaired p
      WHERE (SELECT count(*) FROM retry_match m WHERE m.f = p.f AND m.n = p.n) > 1
         OR EXISTS (SELECT 1 FROM retry_match m JOIN retry_match o ON m.rf = o.rf AND m.rn = o.rn AND (m.f, m.n) <> (o.f, o.n) WHERE m.f = p.f AND m.n = p.n)
         OR (p.ml IS NOT NULL AND EXISTS (SELECT 1 FROM retry_repaired o WHERE ${keys.map((k) => `o.${k} = p.${k}`).join(' AND ')} AND (o.f, o.n) <> (p.f, p.n)))
      ORDER BY p.f, p.n LIMIT 1`,
  );
  if (twice !== undefined) {
    throw new Failure(
      'RETRY_KEY_DUPLICATE',
      `${placeOf(twice)} has ${shownKey} = ${twice.key}, which is not the only one: it stands twice in the repaired files, or for several rejects.`,
      refusedAt(twice),
    );
  }
  // A malformed record gets its key by the repair: it must be nobody else's.
  const [taken] = await queryJson<Refused>(
    connection,
    `SELECT p.f, p.n, ${keyText} AS key, true AS scored FROM retry_repaired p WHERE p.ml IS NOT NULL AND ${scoredIn} ORDER BY p.f, p.n LIMIT 1`,
  );
  if (taken !== undefined) {
    throw new Failure(
      'RETRY_KEY_SCORED',
      `${placeOf(taken)} has ${shownKey} = ${taken.key}, which the job has scored.`,
      refusedAt(taken),
    );
  }
  const sameKey = keys.map((k) => `r.${k} = p.${k}`).join(' AND ');
  const [shared] = await queryJson<Refused>(
    connection,
    `SELECT p.f, p.n, ${keyText} AS key, false AS scored FROM retry_repaired p JOIN retry_reject r ON ${sameKey} WHERE p.ml IS NOT NULL AND r.ml IS NULL ORDER BY p.f, p.n LIMIT 1`,
  );
  if (shared !== undefined) {
    throw new Failure(
      'RETRY_KEY_DUPLICATE',
      `${placeOf(shared)} has ${shownKey} = ${shared.key}, which is that of another rejected record.`,
      refusedAt(shared),
    );
  }
  function refusedAt({ f, key: value }: Refused) {
    const shown = repaired?.[f]?.shown;
    return {
      place: {
        ...(shown === undefined ? {} : { file: shown }),
        field: shownKey,
        ...(value === null ? {} : { row: value }),
      },
    };
  }
}

/** Names of a file's columns, with their types, in order. */
async function columnsOf(connection: Connection, path: string): Promise<Map<string, string>> {
  const rows = await queryJson<{ name: string; type: string }>(
    connection,
    `SELECT column_name AS name, column_type AS type FROM (DESCRIBE SELECT * FROM read_parquet(${quotePath(path)}, hive_partitioning = false))`,
  ).catch((error: unknown) => {
    throw duckdbFailure(error, { reads: [path] });
  });
  return new Map(rows.map(({ name, type }) => [name, type]));
}
