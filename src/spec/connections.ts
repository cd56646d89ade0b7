import { resolve } from 'node:path';
import { z } from 'zod';
import { Failure } from '../core/errors.ts';
import { nearest } from '../core/nearest.ts';
import { readDatabaseUrl } from './database-url.ts';
import { readSpecDocument, type SpecDocument, type SpecPath } from './spec-document.ts';

/** Where a password is had from, at the moment it is needed; the password itself stands nowhere. */
export type SecretSpec =
  | { readonly env: string }
  /** Absolute; one line end at its end is no part of the secret. */
  | { readonly file: string }
  /** A program and its arguments, without a shell; what it prints. `environment`: the variables that it gets beside PATH and HOME. */
  | { readonly exec: readonly string[]; readonly environment?: readonly string[] };

/** How a connection is kept from being read or taken over on its way. */
export interface TlsSpec {
  /** File of the certificates that are trusted, PEM; absent: those of the system. */
  readonly ca?: string;
  /** False: any certificate is taken, so that only listeners are kept out. */
  readonly verify: boolean;
}

export interface FileConnection {
  readonly kind: 'duckdb' | 'sqlite';
  /** Absolute. */
  readonly path: string;
}

export interface ServerConnection {
  readonly kind: 'postgres' | 'mysql';
  readonly host: string;
  /** Path of a socket, instead of host and port. */
  readonly socket?: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
  /** Absent: none is given. */
  readonly password?: SecretSpec;
  /** Absent: the connection is not encrypted. */
  readonly tls?: TlsSpec;
}

/** A database as the configuration declares it. */
export type ConnectionSpec = FileConnection | ServerConnection;

/** By name. */
export type Connections = Readonly<Record<string, ConnectionSpec>>;

/** The configuration of a machine or server, which jobs refer to by name. */
export interface Configuration {
  readonly connections: Connections;
}

/** A connection's name. */
export const CONNECTION_NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$/;

const line = z
  .string()
  .min(1)
  .max(4_096)
  .regex(/^[^\p{Cc}\p{Cs}]*$/u);
const variable = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,254}$/);
const secretSchema = z.union(
  [
    z.strictObject({ env: variable }),
    z.strictObject({ file: line }),
    z.strictObject({
      exec: z.array(line).min(1).max(100),
      environment: z.array(variable).max(100).exactOptional(),
    }),
  ],
  {
    error:
      'must be { env: NAME }, { file: path } or { exec: [program, argument ...] }; a password itself never stands here',
  },
);
const fileKeys = { path: line };
const serverKeys = {
  url: line,
  password: secretSchema.exactOptional(),
  tls: z.strictObject({ ca: line.exactOptional(), verify: z.boolean().default(true) }).exactOptional(),
};
const connectionSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('duckdb'), ...fileKeys }),
  z.strictObject({ kind: z.literal('sqlite'), ...fileKeys }),
  z.strictObject({ kind: z.literal('postgres'), ...serverKeys }),
  z.strictObject({ kind: z.literal('mysql'), ...serverKeys }),
]);
const configurationSchema = z.strictObject({
  connections: z.record(z.string().regex(CONNECTION_NAME), connectionSchema).default({}),
});

/** What a value has to be, for messages; by the last key of its path. */
const IS: Readonly<Record<string, string>> = {
  connections: 'a mapping of names to mappings with the keys kind, url or path ...',
  kind: 'duckdb, postgres, mysql (also for MariaDB) or sqlite',
  url: 'text such as postgres://user@host/database',
  path: 'the path of a database file',
  password: '{ env: NAME }, { file: path } or { exec: [program, argument ...] }',
  tls: 'a mapping with the keys ca, verify',
  ca: 'the path of a file of certificates',
  verify: 'true or false',
};
const CONNECTION_KEYS = ['kind', 'path', 'url', 'password', 'tls'];

/**
 * Reads a configuration file (YAML or JSON); relative paths start at `folder`, the one the file lies in.
 *
 * Fails with CONFIG_INVALID: file, line and key, and what was probably meant. No value of `url` is ever repeated in a message.
 */
export function parseConfiguration(text: string, file: string, folder: string): Configuration {
  const document = readDocument(text, file);
  const parsed = configurationSchema.safeParse(document.value);
  if (!parsed.success) throw refused(firstIssue(parsed.error), document, file);
  const connections: Record<string, ConnectionSpec> = {};
  for (const [name, raw] of Object.entries(parsed.data.connections)) {
    if (raw.kind === 'duckdb' || raw.kind === 'sqlite') {
      connections[name] = { kind: raw.kind, path: resolve(folder, raw.path) };
      continue;
    }
    const { kind, url, password, tls } = raw;
    const read = readDatabaseUrl(kind, url);
    if (typeof read === 'string')
      throw refused({ path: ['connections', name, 'url'], what: read }, document, file);
    const { wantsTls, ...place } = read;
    if (tls !== undefined && wantsTls === false)
      throw refused(
        { path: ['connections', name, 'tls'], what: 'is given, and the url says that there is none' },
        document,
        file,
      );
    const secured = tls ?? (wantsTls === true ? { verify: true } : undefined);
    connections[name] = {
      kind,
      ...place,
      ...(password === undefined ? {} : { password: secretFrom(password, folder) }),
      ...(secured === undefined
        ? {}
        : {
            tls: {
              verify: secured.verify,
              ...('ca' in secured && secured.ca !== undefined ? { ca: resolve(folder, secured.ca) } : {}),
            },
          }),
    };
  }
  return { connections };
}

/** Names of the environment variables that resolving these connections' secrets takes. */
export function secretVariables(connections: Connections): string[] {
  const names = Object.values(connections).flatMap((connection) => {
    if (!('host' in connection)) return [];
    const { password } = connection;
    if (password === undefined || 'file' in password) return [];
    return 'env' in password ? [password.env] : (password.environment ?? []);
  });
  return [...new Set(names)];
}

/** Fails with CONNECTION_UNKNOWN, naming what there is. `file`: the configuration; null: there is none. */
export function requireConnection(
  name: string,
  connections: Connections,
  file: string | null,
): ConnectionSpec {
  const found = Object.hasOwn(connections, name) ? connections[name] : undefined;
  if (found !== undefined) return found;
  const names = Object.keys(connections);
  const near = nearest(name, names);
  const there =
    file === null
      ? 'there is no configuration file'
      : names.length === 0
        ? `${file} declares none`
        : `${file} has ${names.slice(0, 20).join(', ')}`;
  throw new Failure(
    'CONNECTION_UNKNOWN',
    `There is no connection ${name}: ${there}.${near === undefined ? '' : ` Did you mean ${near}?`}`,
    { place: { field: 'input.connection', ...(file === null ? {} : { file }) } },
  );
}

function secretFrom(secret: z.infer<typeof secretSchema>, folder: string): SecretSpec {
  if ('file' in secret) return { file: resolve(folder, secret.file) };
  if ('env' in secret) return secret;
  const { exec, environment } = secret;
  return { exec, ...(environment === undefined ? {} : { environment }) };
}

interface Issue {
  readonly path: SpecPath;
  readonly what: string;
}

function firstIssue(error: z.ZodError): Issue {
  const [issue] = error.issues;
  const path = (issue?.path ?? []).filter((part) => typeof part !== 'symbol');
  if (issue?.code === 'unrecognized_keys') {
    const key = issue.keys[0] ?? '';
    const known =
      path.length === 0 ? ['connections'] : path.at(-1) === 'tls' ? ['ca', 'verify'] : CONNECTION_KEYS;
    const near = nearest(key, known);
    return {
      path: [...path, key],
      what:
        near === undefined
          ? `does not exist; the keys here are ${known.join(', ')}`
          : `does not exist; did you mean ${near}?`,
    };
  }
  if (issue?.code === 'invalid_key')
    return { path, what: 'is no name: letters, digits, _, - and ., at most 100' };
  const last = String(path.at(-1) ?? '');
  if (last === 'password' || path.includes('password'))
    return { path, what: `must be ${IS.password}; a password itself never stands here` };
  const is = IS[last] ?? (path.length === 2 ? 'a mapping with the keys kind, url or path ...' : 'text');
  return { path, what: `must be ${is}` };
}

function readDocument(text: string, file: string): SpecDocument {
  try {
    return readSpecDocument(text, file);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    throw new Failure('CONFIG_INVALID', error.message.replaceAll('job specification', 'configuration'), {
      place: error.place,
      cause: error,
    });
  }
}

function refused({ path, what }: Issue, document: SpecDocument, file: string): Failure {
  const at = document.lineOf(path);
  const field = path.join('.');
  const sentence = field === '' ? `The configuration ${what}` : `${field} ${what}`;
  return new Failure(
    'CONFIG_INVALID',
    `${[file, at].filter((part) => part !== undefined).join(':')}: ${sentence}${sentence.endsWith('?') ? '' : '.'}`,
    { place: { file, ...(at === undefined ? {} : { line: at }), ...(field === '' ? {} : { field }) } },
  );
}
