/** What the URL of a database server says. */
export interface DatabaseUrl {
  readonly host: string;
  readonly socket?: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
  /** Absent: it says nothing about encryption. */
  readonly wantsTls?: boolean;
}

const SCHEMES = { postgres: ['postgres:', 'postgresql:'], mysql: ['mysql:', 'mariadb:'] } as const;
const PORTS = { postgres: 5_432, mysql: 3_306 } as const;

/** Parameters, by kind: what says where a socket is, and what says whether the connection is encrypted. */
const SOCKET = { postgres: 'host', mysql: 'socket' } as const;
const TLS = { postgres: 'sslmode', mysql: 'ssl-mode' } as const;
/** Modes that fall back to no encryption, or take any certificate, without anybody noticing, are not offered. */
const MODES: ReadonlyMap<string, boolean> = new Map([
  ['disable', false],
  ['disabled', false],
  ['require', true],
  ['required', true],
  ['verify-ca', true],
  ['verify_ca', true],
  ['verify-full', true],
  ['verify_identity', true],
]);

const NO_HOST = /^([a-z]+:\/\/[^/@?#]*@)\//i;
const SOCKET_HOST = 'socket.invalid';

/**
 * Reads `postgres://user@host:port/database?sslmode=require` or `mysql://...`; a string: what is wrong with it, as the end of a
 * sentence, without repeating any part of it: there may be a password in it.
 */
export function readDatabaseUrl(kind: 'postgres' | 'mysql', text: string): DatabaseUrl | string {
  const [scheme] = SCHEMES[kind];
  let url: URL;
  try {
    // A URL with a user has to have a host; who goes through a socket writes none.
    url = new URL(text.replace(NO_HOST, `$1${SOCKET_HOST}/`));
  } catch {
    return `is no URL such as ${scheme}//user@host/database`;
  }
  if (!(SCHEMES[kind] as readonly string[]).includes(url.protocol)) return `has to begin with ${scheme}//`;
  if (url.password !== '')
    return 'holds a password; leave it out, and say with `password: { env: NAME }` where it is had from';
  if (url.username === '') return `names no user; ${scheme}//user@host/database`;
  const decoded = decodedParts(url);
  if (decoded === null) return 'has a % that begins no character; write %25 for a percent sign';
  const { user, database } = decoded;
  if (database === '') return `names no database; ${scheme}//user@host/database`;
  for (const key of url.searchParams.keys()) {
    if (key !== SOCKET[kind] && key !== TLS[kind])
      return `has a parameter that is not known; there are ${SOCKET[kind]} and ${TLS[kind]}`;
  }
  const mode = url.searchParams.get(TLS[kind])?.toLowerCase();
  const wantsTls = mode === undefined ? undefined : MODES.get(mode);
  if (mode !== undefined && wantsTls === undefined)
    return `has an unknown ${TLS[kind]}; it is disable, or require, which also checks the certificate`;
  const socket = url.searchParams.get(SOCKET[kind]);
  if (socket !== null && !socket.startsWith('/'))
    return `has a parameter ${SOCKET[kind]} that is no absolute path`;
  const host = url.hostname === SOCKET_HOST ? '' : url.hostname.replace(/^\[(.*)\]$/, '$1');
  if (socket === null && host === '') return `names no host; ${scheme}//user@host/database`;
  return {
    host,
    ...(socket === null ? {} : { socket }),
    port: url.port === '' ? PORTS[kind] : Number(url.port),
    user,
    database,
    ...(wantsTls === undefined ? {} : { wantsTls }),
  };
}

function decodedParts(url: URL): { readonly user: string; readonly database: string } | null {
  try {
    return {
      user: decodeURIComponent(url.username),
      database: decodeURIComponent(url.pathname.replace(/^\//, '')),
    };
  } catch {
    return null;
  }
}
