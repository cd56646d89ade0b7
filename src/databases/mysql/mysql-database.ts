import { readFile } from 'node:fs/promises';
import type { Connection, ConnectionOptions } from 'mysql2';
import { Failure } from '../../core/errors.ts';
import type { ServerConnection } from '../../spec/connections.ts';
import type { AboutDatabase, Database, Reading } from '../database.ts';
import { queryFailure, queryTimedOut, requireDistinct, withoutEnd } from '../query-failure.ts';
import { RowText } from '../row-text.ts';
import { resolveSecret } from '../secrets.ts';
import { selectFrom } from '../table-name.ts';
import { mysqlConnectionFailure, mysqlQueryFailure } from './mysql-failure.ts';
import { type MysqlField, mysqlColumn } from './mysql-types.ts';

const CONNECT_TIMEOUT_MS = 15_000;
/** How long the server waits for us to take rows: as long as the query may take. */
const WRITE_TIMEOUT_SECONDS = 86_400;

/**
 * A MySQL or MariaDB server. Rows come by a prepared statement, which has to be one statement, in the binary protocol (the text one
 * rounds FLOAT), inside of one READ ONLY transaction with a consistent snapshot. That it is a SELECT is seen by having the server
 * prepare it once more as a derived table, where neither INTO OUTFILE nor anything but a SELECT can stand.
 */
export function mysqlDatabase(name: string, spec: ServerConnection): Database {
  return {
    name,
    async about(signal) {
      await using session = await openSession(name, spec, signal);
      return await about(session, spec, true);
    },
    tableQuery: (table, columns) => selectFrom(table, columns, quoteName),
    async read({ query, timeoutMs }, signal) {
      const session = await openSession(name, spec, signal);
      let passed = false;
      const timer = setTimeout(() => {
        passed = true;
        session.kill();
      }, timeoutMs);
      const stop = async () => {
        clearTimeout(timer);
        await session[Symbol.asyncDispose]();
      };
      const failure = (error: unknown): unknown => {
        signal.throwIfAborted();
        if (!passed) return mysqlQueryFailure(name, query, error);
        return queryTimedOut(name, timeoutMs);
      };
      try {
        const found = await about(session, spec, false);
        await begin(session, found.server, timeoutMs);
        const [facts] = await session.ask(`SELECT UNIX_TIMESTAMP(NOW(6)) AS at`);
        await requireSelect(session, name, query);
        const rows = session.connection.execute({ sql: query, rowsAsArray: true });
        const stream = rows.stream({ highWaterMark: 1_000 });
        // The driver tells a statement whose rows are streamed nothing of the end of its connection.
        session.lost.addEventListener('abort', () => stream.destroy(session.lost.reason));
        stream.on('error', () => {});
        const fields = await new Promise<readonly MysqlField[]>((resolve, reject) => {
          rows.once('fields', (given: unknown) => resolve(given as MysqlField[]));
          stream.once('error', reject);
        });
        requireDistinct(
          fields.map((field) => field.name),
          name,
        );
        const columns = fields.map((field) => mysqlColumn(field, name));
        const text = new RowText();
        const written = async function* (): AsyncGenerator<Buffer> {
          try {
            for await (const row of stream) {
              const values = row as unknown[];
              const piece = text.row(
                columns.map((column, at) => (values[at] === null ? null : column.text(values[at]))),
              );
              if (piece !== null) yield piece;
            }
            yield text.rest();
          } catch (error) {
            throw failure(error);
          }
        };
        return {
          columns: columns.map(({ column }) => column),
          about: found,
          snapshotMs: Math.floor(Number(facts?.at) * 1_000),
          marks: {},
          rows: { kind: 'text', chunks: written(), sent: () => text.rows },
          [Symbol.asyncDispose]: stop,
        } satisfies Reading;
      } catch (error) {
        await stop();
        throw failure(error);
      }
    },
  };
}

function quoteName(name: string): string {
  return `\`${name.replaceAll('`', '``')}\``;
}

interface Session extends AsyncDisposable {
  readonly connection: Connection;
  /** Aborted when the connection is no more, with the reason. */
  readonly lost: AbortSignal;
  /** Ends the connection at once, whatever it is doing. */
  kill(): void;
  /** Rows of a statement of ours. */
  ask(sql: string): Promise<Record<string, unknown>[]>;
  /** Has the server parse a statement, alone; it is not run. */
  prepare(sql: string): Promise<void>;
}

async function openSession(name: string, spec: ServerConnection, signal: AbortSignal): Promise<Session> {
  signal.throwIfAborted();
  const { createConnection } = await loadDriver();
  const connection = createConnection(await configOf(name, spec));
  const gone = new AbortController();
  connection.on('error', (error) => gone.abort(error));
  connection.on('end', () => gone.abort(new Error('The server has closed the connection')));
  const kill = () => {
    connection.destroy();
    gone.abort(new Error('The connection was closed'));
  };
  signal.addEventListener('abort', kill);
  /** A question that is under way when the connection ends is answered by its end. */
  const answered = <Answer>(
    work: (resolve: (answer: Answer) => void, reject: (error: unknown) => void) => void,
  ) =>
    new Promise<Answer>((resolve, reject) => {
      if (gone.signal.aborted) return reject(gone.signal.reason);
      const end = () => reject(gone.signal.reason);
      gone.signal.addEventListener('abort', end, { once: true });
      const done =
        <Value>(settle: (value: Value) => void) =>
        (value: Value) => {
          gone.signal.removeEventListener('abort', end);
          settle(value);
        };
      work(done(resolve), done(reject));
    });
  const ask: Session['ask'] = (sql) =>
    answered((resolve, reject) => {
      connection.query(sql, (error, rows) =>
        error === null ? resolve(rows as Record<string, unknown>[]) : reject(error),
      );
    });
  const close = async () => {
    signal.removeEventListener('abort', kill);
    kill();
  };
  try {
    await answered<void>((resolve, reject) => {
      connection.connect((error) => (error === null ? resolve() : reject(error)));
    });
    await ask(`SET time_zone = '+00:00', net_write_timeout = ${WRITE_TIMEOUT_SECONDS}`);
    return {
      connection,
      lost: gone.signal,
      kill,
      ask,
      prepare: (sql) =>
        answered<void>((resolve, reject) => {
          connection.prepare(sql, (error, statement) => {
            if (error !== null) return reject(error);
            statement.close();
            resolve();
          });
        }),
      [Symbol.asyncDispose]: close,
    };
  } catch (error) {
    await close();
    signal.throwIfAborted();
    throw mysqlConnectionFailure(name, error);
  }
}

async function configOf(
  name: string,
  { host, socket, port, user, database, password, tls }: ServerConnection,
): Promise<ConnectionOptions> {
  return {
    ...(socket === undefined ? { host, port } : { socketPath: socket }),
    user,
    database,
    ...(password === undefined ? {} : { password: await resolveSecret(name, password) }),
    connectTimeout: CONNECT_TIMEOUT_MS,
    charset: 'utf8mb4',
    // 64-bit numbers, decimals, times and JSON as the server says them.
    supportBigNumbers: true,
    bigNumberStrings: true,
    dateStrings: true,
    jsonStrings: true,
    multipleStatements: false,
    // A server may ask for any file of the client.
    flags: ['-LOCAL_FILES'],
    ...(tls === undefined
      ? {}
      : {
          ssl: {
            rejectUnauthorized: tls.verify,
            verifyIdentity: tls.verify,
            ...(tls.ca === undefined ? {} : { ca: await certificates(name, tls.ca) }),
          },
        }),
  };
}

async function certificates(name: string, file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new Failure(
      'CONNECTION_REFUSED',
      `Connection ${name}: the certificates in ${file} cannot be read.`,
      {
        place: { file, field: `connections.${name}.tls.ca` },
        cause,
      },
    );
  }
}

async function begin({ ask }: Session, server: string, timeoutMs: number): Promise<void> {
  await ask(
    server.startsWith('MariaDB')
      ? `SET max_statement_time = ${timeoutMs / 1_000}`
      : `SET max_execution_time = ${Math.ceil(timeoutMs)}`,
  );
  await ask('SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ');
  await ask('START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY');
}

async function requireSelect({ prepare }: Session, name: string, query: string): Promise<void> {
  await prepare(query);
  try {
    await prepare(`SELECT * FROM (${withoutEnd(query)}\n) AS batchwright_query`);
  } catch (error) {
    if ((error as { errno?: number }).errno !== 1064) throw error;
    throw queryFailure('QUERY_FORBIDDEN', name, 'it is no SELECT', {
      query,
      next: 'Give one SELECT.',
      cause: error,
    });
  }
}

async function about({ ask }: Session, spec: ServerConnection, withRights: boolean): Promise<AboutDatabase> {
  const [row] = await ask('SELECT VERSION() AS version, CURRENT_USER() AS user, DATABASE() AS name');
  const version = String(row?.version);
  const rights = withRights ? await ask('SHOW GRANTS') : [];
  const writes = /\b(ALL PRIVILEGES|INSERT|UPDATE|DELETE|CREATE|DROP|ALTER|FILE|SUPER)\b/;
  return {
    server: `${/mariadb/i.test(version) ? 'MariaDB' : 'MySQL'} ${version.split('-')[0]}`,
    user: String(row?.user),
    database: String(row?.name),
    canWrite: withRights ? rights.some((grant) => writes.test(String(Object.values(grant)[0]))) : null,
    encrypted: spec.tls !== undefined,
  };
}

async function loadDriver() {
  try {
    return await import('mysql2');
  } catch (cause) {
    throw new Failure(
      'DRIVER_MISSING',
      'The package mysql2, which talks to MySQL and MariaDB, is not installed.',
      {
        next: 'npm install mysql2',
        cause,
      },
    );
  }
}
