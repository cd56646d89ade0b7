import { Failure } from '../../core/errors.ts';
import { queryFailure } from '../query-failure.ts';

/** An error of the server, as the driver gives it. */
interface ServerError extends Error {
  readonly code?: string;
  readonly position?: string;
  readonly severity?: string;
}

/** What went wrong with a query. Class and code: https://www.postgresql.org/docs/current/errcodes-appendix.html */
export function postgresQueryFailure(connection: string, query: string, cause: unknown): Failure {
  if (cause instanceof Failure) return cause;
  const error = cause as ServerError;
  const { code = '', message } = error;
  if (error.severity === undefined) return postgresConnectionFailure(connection, cause);
  const at = {
    query,
    // In characters, from 1.
    ...(error.position === undefined ? {} : { offset: codeUnits(query, Number(error.position) - 1) }),
    cause,
  };
  if (code === '57014') return queryFailure('QUERY_TIMEOUT', connection, message, { query, cause });
  if (code === '25006' || code === '0A000') return queryFailure('QUERY_FORBIDDEN', connection, message, at);
  if (code === '42601' && /multiple commands/.test(message))
    return queryFailure('QUERY_FORBIDDEN', connection, 'it holds more than one statement', {
      query,
      next: 'Give one SELECT.',
      cause,
    });
  if (code === '42501')
    return queryFailure('SOURCE_UNREADABLE', connection, message, {
      query,
      next: 'Grant it to the user of the connection: GRANT SELECT ON ... (docs/sql-sources.md).',
      cause,
    });
  if (/^42/.test(code)) return queryFailure('QUERY_INVALID', connection, message, at);
  if (/^(08|57P|53|40)/.test(code)) return postgresConnectionFailure(connection, cause);
  return queryFailure('QUERY_FAILED', connection, message, at);
}

/** What went wrong with a connection. */
export function postgresConnectionFailure(connection: string, cause: unknown): Failure {
  if (cause instanceof Failure) return cause;
  const { code = '', message } = cause as ServerError;
  const isRefused =
    /^(28|3D|42501)/.test(code) ||
    /SASL|password|SSL connections|certificate|self-signed|altnames|CERT_|UNABLE_TO_/i.test(
      `${code} ${message}`,
    );
  const said = message === '' ? code : message;
  return new Failure(
    isRefused ? 'CONNECTION_REFUSED' : 'CONNECTION_FAILED',
    `Connection ${connection}: ${said.replace(/\.$/, '')}.`,
    { place: { field: `connections.${connection}` }, cause },
  );
}

function codeUnits(text: string, characters: number): number {
  return [...text].slice(0, characters).join('').length;
}
