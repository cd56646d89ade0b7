import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { Failure } from '../core/errors.ts';
import type { Database } from '../databases/database.ts';
import type { DatabaseSettings } from '../databases/open-database.ts';
import type { SourceContext } from '../sources/source.ts';
import {
  type Configuration,
  parseConfiguration,
  requireConnection,
  secretVariables,
} from '../spec/connections.ts';
import type { InputSpec } from '../spec/job-spec.ts';
import { CONFIG_VARIABLE } from './find-config-file.ts';

/** Most rows that a job may read from a database. */
const MAX_ROWS_VARIABLE = 'BATCH_MAX_INPUT_ROWS';

/** Fails with CONFIG_INVALID. */
export function readConfiguration(path: string | null): Configuration {
  if (path === null) return { connections: {} };
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new Failure('CONFIG_INVALID', `The configuration file ${path} cannot be read (${code}).`, {
      place: { file: path },
      cause: error,
    });
  }
  return parseConfiguration(text, path, dirname(path));
}

/** Says at once what the task would find out: that there is no such connection, or no valid configuration. */
export function requireConnections(input: InputSpec, path: string | null): void {
  const names = [input, ...Object.values(input.side_inputs ?? {})].flatMap(
    ({ connection }) => connection ?? [],
  );
  if (names.length === 0) return;
  const { connections } = readConfiguration(path);
  for (const name of names) requireConnection(name, connections, path);
}

/** What a source needs to reach databases. Fails with CONFIG_INVALID. */
export function databaseAccess(
  path: string | null,
  settings: DatabaseSettings,
): Pick<SourceContext, 'openDatabase' | 'maxRows'> {
  const maxRows = maxInputRows();
  return { openDatabase: databasesOf(path, settings), ...(maxRows === null ? {} : { maxRows }) };
}

/** Opens databases by the names that a configuration file gives them; it is read when the first one is asked for. */
function databasesOf(path: string | null, settings: DatabaseSettings): (name: string) => Promise<Database> {
  return async (name) => {
    const spec = requireConnection(name, readConfiguration(path).connections, path);
    const { openDatabase } = await import('../databases/open-database.ts');
    return await openDatabase(name, spec, settings);
  };
}

/**
 * What a task process gets in its environment, to open databases with: where the configuration is, and the variables that its
 * secrets are in, no others. A configuration that cannot be read is the task's to complain about.
 */
export function databaseEnvironment(path: string | null): Record<string, string> {
  const environment: Record<string, string> = {};
  const names = [MAX_ROWS_VARIABLE];
  if (path !== null) {
    environment[CONFIG_VARIABLE] = path;
    try {
      names.push(...secretVariables(readConfiguration(path).connections));
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
    }
  }
  for (const name of names) {
    const value = process.env[name];
    if (value !== undefined) environment[name] = value;
  }
  return environment;
}

/** Most rows that a database may give; null: any number. Fails with CONFIG_INVALID. */
function maxInputRows(): number | null {
  const text = process.env[MAX_ROWS_VARIABLE];
  if (text === undefined || text === '') return null;
  const rows = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(rows) && rows >= 1) return rows;
  throw new Failure(
    'CONFIG_INVALID',
    `The environment variable ${MAX_ROWS_VARIABLE} is ${JSON.stringify(text)}, which is no number of rows.`,
    {
      next: 'Set it to a whole number of at least 1, or not at all.',
    },
  );
}
