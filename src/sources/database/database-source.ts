import { createHash } from 'node:crypto';
import { Failure } from '../../core/errors.ts';
import type { DatabaseOrigin } from '../../core/snapshot.ts';
import type { Database, Reading } from '../../databases/database.ts';
import type { TableSpec } from '../../spec/job-spec.ts';
import type { Source, SourceContext } from '../source.ts';
import { materialiseRows } from './materialise-rows.ts';

/** Of `input.timeout_seconds`. */
const DEFAULT_TIMEOUT_SECONDS = 3_600;

/**
 * Pins the rows of a query, or of a table. The database is read once, in one statement of one read-only snapshot; from there on the
 * Parquet files in the workspace are the input, and what becomes of the database does not matter. Pinning again is another
 * snapshot: an attempt that died is repeated with the rows as they are then.
 *
 * A statement without ORDER BY has no order: the one in which rows came is the one that the snapshot has.
 */
export const databaseSource: Source = {
  folderPattern: '',

  async pin(input, context) {
    const name = input.connection ?? '';
    const database = await open(name, context);
    const query = queryOf(input, database);
    const timeoutMs = (input.timeout_seconds ?? DEFAULT_TIMEOUT_SECONDS) * 1_000;
    return await materialiseRows({
      read: (target) => database.read({ query, timeoutMs, target }, context.signal),
      unfold: input.unfold ?? {},
      connection: name,
      originOf: (reading) => originOf(name, query, reading),
      context,
    });
  },

  /** The rows that are scored are those that were pinned, whatever has become of the database since. */
  async checkUnchanged() {},

  /** The database is asked when it is read: until then a look would cost a connection, and be of another moment. */
  async columnNames() {
    return null;
  },

  async sizeBytes() {
    return 0;
  },
};

async function open(name: string, { openDatabase }: SourceContext): Promise<Database> {
  if (openDatabase !== undefined) return await openDatabase(name);
  throw new Failure('CONNECTION_UNKNOWN', `There is no connection ${name}: this process knows none.`, {
    place: { field: 'input.connection' },
  });
}

/** Columns that only unfolding makes are none of the table's. */
function queryOf(
  { source, query = '', table = '', columns, unfold = {} }: TableSpec,
  database: Database,
): string {
  if (source === 'sql') return query;
  const made = new Set(Object.values(unfold).flat());
  const wanted = columns?.filter((column) => !made.has(column));
  return database.tableQuery(
    table,
    wanted === undefined ? undefined : [...new Set([...wanted, ...Object.keys(unfold)])],
  );
}

function originOf(connection: string, query: string, { about, snapshotMs, marks }: Reading): DatabaseOrigin {
  return {
    connection,
    server: about.server,
    user: about.user,
    database: about.database,
    statementSha256: createHash('sha256').update(query).digest('hex'),
    snapshotMs,
    marks,
  };
}
