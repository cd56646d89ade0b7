import { join } from 'node:path';
import SqliteDatabase, { type Database } from 'better-sqlite3';
import { Failure } from '../../core/errors.ts';
import { isNoSpaceToOpen } from './no-space.ts';

/** How long a manager that looks who holds the lock may keep another one waiting. */
const BUSY_TIMEOUT_MS = 250;

/**
 * Makes this process the one manager of a state folder, which exists. Throws STATE_LOCKED, naming the holder's process, and DISK_FULL.
 *
 * The lock is an open write transaction on `manager.lock`, and so a lock of the operating system: it ends with the process
 * however that ends, and children do not inherit it. It holds between processes of one machine; network file systems that
 * lie about locks are not supported.
 */
export function acquireManagerLock(folder: string): Disposable {
  let database: Database | null = null;
  try {
    database = new SqliteDatabase(join(folder, 'manager.lock'), { timeout: BUSY_TIMEOUT_MS });
    const held = database;
    // Another process may get in between the two transactions; then its number stands there, and the turn is taken again.
    do {
      if (held.inTransaction) held.exec('ROLLBACK');
      writeHolder(held);
      held.exec('BEGIN IMMEDIATE');
    } while (readHolder(held) !== process.pid);
    return { [Symbol.dispose]: () => void held.close() };
  } catch (error) {
    const failure = asFailure(error, folder, database);
    database?.close();
    throw failure;
  }
}

function writeHolder(database: Database): void {
  database.exec(
    'BEGIN IMMEDIATE; CREATE TABLE IF NOT EXISTS holder (pid INTEGER NOT NULL); DELETE FROM holder;',
  );
  database.prepare('INSERT INTO holder VALUES (?)').run(process.pid);
  database.exec('COMMIT');
}

function readHolder(database: Database): number | undefined {
  return database.prepare<[], { pid: number }>('SELECT pid FROM holder').get()?.pid;
}

function asFailure(error: unknown, folder: string, database: Database | null): unknown {
  if (!(error instanceof SqliteDatabase.SqliteError) && !(error instanceof TypeError)) return error;
  if ('code' in error && String(error.code).startsWith('SQLITE_BUSY')) {
    return new Failure('STATE_LOCKED', `${nameOfHolder(database)} is the manager of ${folder}.`, {
      cause: error,
    });
  }
  if (isNoSpaceToOpen(error)) {
    return new Failure('DISK_FULL', `No space is left for the state folder ${folder}.`, {
      place: { file: folder },
      cause: error,
    });
  }
  return new Failure('STORAGE_FAILED', `The manager lock of ${folder} cannot be taken: ${error.message}.`, {
    cause: error,
    next: 'Check that the state folder exists and is writable.',
  });
}

/** A manager that is just starting has not written its number yet, or is writing it now. */
function nameOfHolder(database: Database | null): string {
  try {
    const pid = database === null ? undefined : readHolder(database);
    return pid === undefined ? 'Another process' : `Process ${pid}`;
  } catch (error) {
    if (error instanceof SqliteDatabase.SqliteError) return 'Another process';
    throw error;
  }
}
