import { Failure } from '../../core/errors.ts';
import { queryFailure } from '../query-failure.ts';

/** An error of server or driver. Numbers: https://mariadb.com/kb/en/mariadb-error-code-reference/ */
interface MysqlError extends Error {
  readonly errno?: number;
  readonly code?: string;
  readonly sqlMessage?: string;
}

const REFUSED = new Set([1044, 1045, 1049, 1251, 1698, 3118, 3159, 3955]);
const DENIED = new Set([1142, 1143, 1227, 1370, 1345]);
const INVALID = new Set([
  1051, 1052, 1054, 1055, 1064, 1065, 1109, 1111, 1140, 1146, 1222, 1241, 1248, 1305, 1327, 1582, 4078,
]);
const FORBIDDEN = new Set([1290, 1295, 1792, 1836, 1148, 4031]);
const TIMED_OUT = new Set([1969, 3024]);
/** The server is stopping, has too many connections, or ended this one. */
const GONE = new Set([
  1040, 1053, 1077, 1129, 1130, 1152, 1158, 1159, 1160, 1161, 1184, 1203, 1205, 1213, 1226, 1317, 1927,
]);

export function mysqlQueryFailure(connection: string, query: string, cause: unknown): Failure {
  if (cause instanceof Failure) return cause;
  const { errno = 0, sqlMessage } = cause as MysqlError;
  if (sqlMessage === undefined || GONE.has(errno) || REFUSED.has(errno))
    return mysqlConnectionFailure(connection, cause);
  if (TIMED_OUT.has(errno)) return queryFailure('QUERY_TIMEOUT', connection, sqlMessage, { query, cause });
  if (errno === 1060)
    return new Failure('COLUMN_AMBIGUOUS', `input.query on ${connection}: ${sqlMessage}.`, {
      place: { field: 'input.query' },
      next: 'Name the columns apart: SELECT a AS b.',
      cause,
    });
  if (DENIED.has(errno))
    return queryFailure('SOURCE_UNREADABLE', connection, sqlMessage, {
      query,
      next: 'Grant it to the user of the connection: GRANT SELECT ON ... (docs/sql-sources.md).',
      cause,
    });
  if (FORBIDDEN.has(errno)) return queryFailure('QUERY_FORBIDDEN', connection, sqlMessage, { query, cause });
  const offset = offsetOf(query, sqlMessage);
  return queryFailure(
    INVALID.has(errno) ? 'QUERY_INVALID' : 'QUERY_FAILED',
    connection,
    withoutManual(sqlMessage),
    {
      query,
      ...(offset === undefined ? {} : { offset }),
      cause,
    },
  );
}

export function mysqlConnectionFailure(connection: string, cause: unknown): Failure {
  if (cause instanceof Failure) return cause;
  const { errno = 0, code = '', message } = cause as MysqlError;
  const isRefused =
    REFUSED.has(errno) ||
    /HANDSHAKE_NO_SSL|HANDSHAKE_SSL|certificate|self-signed|altnames|CERT_|UNABLE_TO_/i.test(
      `${code} ${message}`,
    );
  const said = message === '' ? code : message;
  return new Failure(
    isRefused ? 'CONNECTION_REFUSED' : 'CONNECTION_FAILED',
    `Connection ${connection}: ${said.replace(/\.$/, '')}.`,
    { place: { field: `connections.${connection}` }, cause },
  );
}

/** Of the text that the server shows from the error on; told only if it stands there once. */
function offsetOf(query: string, said: string): number | undefined {
  const shown =
    /near '([\s\S]*)' at line \d+$/.exec(said)?.[1] ?? /^Unknown column '([^']+)'/.exec(said)?.[1];
  if (shown === undefined || shown === '') return undefined;
  const at = query.indexOf(shown);
  return at >= 0 && query.indexOf(shown, at + 1) < 0 ? at : undefined;
}

function withoutManual(said: string): string {
  return said.replace(/; check the manual .* to use near/, ' near');
}
