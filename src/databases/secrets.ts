import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { Failure } from '../core/errors.ts';
import type { SecretSpec } from '../spec/connections.ts';

/** A program that asks somebody in the background would never end. */
const EXEC_TIMEOUT_MS = 30_000;
const MAX_BYTES = 2 ** 16;

/**
 * The password of a connection, from where the configuration says; read anew each time, so that a changed one takes effect.
 * Fails with SECRET_MISSING, which names the place and never what was found there.
 */
export async function resolveSecret(connection: string, secret: SecretSpec): Promise<string> {
  const missing = (what: string, cause?: unknown) =>
    new Failure('SECRET_MISSING', `The password of connection ${connection}: ${what}.`, {
      place: { field: `connections.${connection}.password` },
      cause,
    });
  const text = await read(secret, missing);
  const value = text.replace(/\r?\n$/, '');
  if (value === '') throw missing(`${named(secret)} is empty`);
  return value;
}

async function read(
  secret: SecretSpec,
  missing: (what: string, cause?: unknown) => Failure,
): Promise<string> {
  if ('env' in secret) {
    const value = process.env[secret.env];
    if (value === undefined) throw missing(`${named(secret)} is not set`);
    return value;
  }
  if ('file' in secret) {
    try {
      return await readFile(secret.file, 'utf8');
    } catch (cause) {
      throw missing(`${named(secret)} cannot be read (${(cause as NodeJS.ErrnoException).code})`, cause);
    }
  }
  const [program = '', ...args] = secret.exec;
  const environment = Object.fromEntries(
    ['PATH', 'HOME', 'LANG', ...(secret.environment ?? [])].flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
  try {
    const { stdout } = await promisify(execFile)(program, args, {
      env: environment,
      timeout: EXEC_TIMEOUT_MS,
      maxBuffer: MAX_BYTES,
    });
    return stdout;
  } catch (error) {
    // What it printed may hold the secret: neither output nor the error itself, which has both, goes any further.
    const { code, killed, signal } = error as { code?: unknown; killed?: boolean; signal?: string };
    const how =
      killed === true
        ? `took longer than ${EXEC_TIMEOUT_MS / 1_000} seconds`
        : code === 'ENOENT'
          ? 'is not there'
          : `ended with ${signal ?? `code ${String(code)}`}`;
    throw missing(`${named(secret)} ${how}`);
  }
}

function named(secret: SecretSpec): string {
  if ('env' in secret) return `the environment variable ${secret.env}`;
  if ('file' in secret) return `the file ${secret.file}`;
  return `the command ${secret.exec[0]}`;
}
