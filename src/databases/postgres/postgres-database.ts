import { readFile } from 'node:fs/promises';
import type { Client, ClientConfig, Connection, FieldDef, Submittable } from 'pg';
import { Failure } from '../../core/errors.ts';
import type { ServerConnection } from '../../spec/connections.ts';
import type { AboutDatabase, Database, Reading } from '../database.ts';
import { queryFailure, queryTimedOut, requireDistinct, withoutEnd } from '../query-failure.ts';
import { resolveSecret } from '../secrets.ts';
import { quoteIdentifier, selectFrom } from '../table-name.ts';
import { postgresConnectionFailure, postgresQueryFailure } from './postgres-failure.ts';
import { type PostgresType, postgresColumn } from './postgres-types.ts';

const CONNECT_TIMEOUT_MS = 15_000;

/**
 * A PostgreSQL server. Rows come by `COPY (query) TO STDOUT`, inside of one REPEATABLE READ, READ ONLY transaction. COPY takes
 * its query as text, so the server is first asked to parse that text alone, which by the extended protocol has to be one
 * statement: what parses alone has its parentheses closed, and cannot close ours.
 */
export function postgresDatabase(name: string, spec: ServerConnection): Database {
  return {
    name,
    async about(signal) {
      await using session = await openSession(name, spec, signal);
      return await about(session, spec, true);
    },
    tableQuery: (table, columns) => selectFrom(table, columns, quoteIdentifier),
    async read({ query, timeoutMs }, signal) {
      const session = await openSession(name, spec, signal);
      const { client } = session;
      const deadline = startDeadline(session, timeoutMs);
      const stop = async () => {
        deadline.clear();
        await session[Symbol.asyncDispose]();
      };
      const failure = (error: unknown): unknown => {
        signal.throwIfAborted();
        return deadline.passed() ? queryTimedOut(name, timeoutMs) : postgresQueryFailure(name, query, error);
      };
      try {
        await begin(client, timeoutMs);
        const [facts] = (await client.query(SNAPSHOT)).rows as {
          at: string;
          snapshot: string;
          lsn: string | null;
        }[];
        const fields = await describe(client, name, query);
        requireDistinct(
          fields.map((field) => field.name),
          name,
        );
        const types = await typesOf(client, fields);
        const columns = fields.map((field) =>
          postgresColumn(
            { name: field.name, oid: field.dataTypeID, modifier: field.dataTypeModifier },
            types,
            name,
          ),
        );
        const found = await about(session, spec, false);
        let sent = 0;
        const copied = async function* (): AsyncGenerator<Buffer> {
          try {
            const { to } = await loadCopy();
            const copy = client.query(
              to(`COPY (${withoutEnd(query)}\n) TO STDOUT (FORMAT csv, NULL '\\N', ENCODING 'UTF8')`, {
                highWaterMark: 2 ** 18,
              }),
            );
            for await (const chunk of copy) yield chunk as Buffer;
            // The answer to this one comes behind the tag that says how many rows there were.
            await client.query('COMMIT');
            sent = copy.rowCount;
          } catch (error) {
            throw failure(error);
          }
        };
        return {
          columns,
          about: found,
          snapshotMs: Math.floor(Number(facts?.at)),
          marks: {
            snapshot: facts?.snapshot ?? '',
            ...(facts?.lsn == null ? {} : { lsn: facts.lsn }),
          },
          rows: {
            kind: 'text',
            chunks: copied(),
            sent: () => sent,
          },
          [Symbol.asyncDispose]: stop,
        } satisfies Reading;
      } catch (error) {
        await stop();
        throw failure(error);
      }
    },
  };
}

const SNAPSHOT = `SELECT (extract(epoch FROM clock_timestamp()) * 1000)::text AS at, pg_current_snapshot()::text AS snapshot,
  CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END::text AS lsn`;

interface Session extends AsyncDisposable {
  readonly client: Client;
  /** Ends the connection at once, whatever it is doing. */
  kill(): void;
}

async function openSession(name: string, spec: ServerConnection, signal: AbortSignal): Promise<Session> {
  signal.throwIfAborted();
  const { Client: PostgresClient } = await loadDriver();
  const client = new PostgresClient(await configOf(name, spec));
  // What breaks while nothing is asked is told by the next question.
  client.on('error', () => {});
  const kill = () => {
    const { stream } = (client as unknown as { connection: { stream: { destroy(): void } } }).connection;
    stream.destroy();
  };
  signal.addEventListener('abort', kill);
  const close = async () => {
    signal.removeEventListener('abort', kill);
    await client.end().catch(() => {});
  };
  try {
    await client.connect();
    return { client, kill, [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    signal.throwIfAborted();
    throw postgresConnectionFailure(name, error);
  }
}

async function configOf(
  name: string,
  { host, socket, port, user, database, password, tls }: ServerConnection,
): Promise<ClientConfig> {
  return {
    host: socket ?? host,
    port,
    user,
    database,
    // An empty one, so that the driver does not look for one in files of its own.
    password: password === undefined ? '' : await resolveSecret(name, password),
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    application_name: 'batchwright',
    keepAlive: true,
    ...(tls === undefined
      ? { ssl: false }
      : {
          ssl: {
            rejectUnauthorized: tls.verify,
            host,
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

/** Values as text that does not depend on what the server, the database or the role have set. */
async function begin(client: Client, timeoutMs: number): Promise<void> {
  await client.query('BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY');
  const settings = {
    statement_timeout: String(Math.ceil(timeoutMs)),
    idle_in_transaction_session_timeout: '0',
    TimeZone: 'UTC',
    DateStyle: 'ISO, YMD',
    bytea_output: 'hex',
    extra_float_digits: '1',
    standard_conforming_strings: 'on',
    client_encoding: 'UTF8',
  };
  for (const [setting, value] of Object.entries(settings))
    await client.query(`SET LOCAL ${setting} = '${value}'`);
}

/** Has the server parse the text alone, and say what columns it gives; nothing is run. */
async function describe(client: Client, name: string, query: string): Promise<readonly FieldDef[]> {
  const fields = await new Promise<readonly FieldDef[]>((resolve, reject) => {
    let described: readonly FieldDef[] = [];
    const question = {
      submit(connection: Connection) {
        connection.parse({ name: '', text: query, types: [] }, true);
        connection.describe({ type: 'S', name: '' }, true);
        connection.sync();
      },
      handleRowDescription: (message: { fields: FieldDef[] }) => {
        described = message.fields;
      },
      handleError: reject,
      handleReadyForQuery: () => resolve(described),
    };
    client.query(question as unknown as Submittable);
  });
  if (fields.length === 0)
    throw queryFailure('QUERY_FORBIDDEN', name, 'it gives no columns', { query, next: 'Give one SELECT.' });
  return fields;
}

async function typesOf(
  client: Client,
  fields: readonly FieldDef[],
): Promise<ReadonlyMap<number, PostgresType>> {
  const { rows } = await client.query(
    `WITH wanted AS (SELECT oid, typname, typtype, typelem FROM pg_catalog.pg_type WHERE oid = ANY ($1::oid[]))
     SELECT oid::int8::text AS oid, typname AS name, typtype AS kind, typelem::int8::text AS element FROM wanted
     UNION SELECT e.oid::int8::text, e.typname, e.typtype, '0' FROM wanted w JOIN pg_catalog.pg_type e ON e.oid = w.typelem
      WHERE e.oid NOT IN (SELECT oid FROM wanted)`,
    [fields.map(({ dataTypeID }) => dataTypeID)],
  );
  return new Map(
    (rows as { oid: string; name: string; kind: string; element: string }[]).map((row) => [
      Number(row.oid),
      { name: row.name, kind: row.kind, element: Number(row.element) },
    ]),
  );
}

/** `withRights`: also look whether the user could write, which takes a look at each table. */
async function about(
  { client }: Session,
  spec: ServerConnection,
  withRights: boolean,
): Promise<AboutDatabase> {
  const { rows } = await client.query(
    `SELECT current_setting('server_version') AS version, current_user::text AS user, current_database()::text AS database,
      ${
        withRights
          ? `(SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) OR has_database_privilege(current_database(), 'CREATE')
             OR EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.relkind IN ('r', 'p') AND c.relnamespace NOT IN
               (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname IN ('pg_catalog', 'information_schema'))
               AND has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE'))`
          : 'NULL::boolean'
      } AS writes`,
  );
  const [row] = rows as { version: string; user: string; database: string; writes: boolean | null }[];
  if (row === undefined) throw new Error('the server did not say what it is');
  return {
    server: `PostgreSQL ${row.version.split(' ')[0]}`,
    user: row.user,
    database: row.database,
    canWrite: row.writes,
    encrypted: spec.tls !== undefined,
  };
}

/** The server has the same limit; this one holds where it cannot be heard any more. */
function startDeadline({ kill }: Session, timeoutMs: number) {
  let passed = false;
  const timer = setTimeout(() => {
    passed = true;
    kill();
  }, timeoutMs + GRACE_MS);
  return { passed: () => passed, clear: () => clearTimeout(timer) };
}

const GRACE_MS = 1_000;

async function loadDriver() {
  try {
    return (await import('pg')).default;
  } catch (cause) {
    throw missing('pg', cause);
  }
}

async function loadCopy() {
  try {
    return (await import('pg-copy-streams')).default;
  } catch (cause) {
    throw missing('pg-copy-streams', cause);
  }
}

function missing(name: string, cause: unknown): Failure {
  return new Failure('DRIVER_MISSING', `The package ${name}, which talks to PostgreSQL, is not installed.`, {
    next: 'npm install pg pg-copy-streams',
    cause,
  });
}
