import SqliteDatabase from 'better-sqlite3';

/**
 * Did SQLite fail for want of disk space while it opened a database? SQLITE_IOERR_SHMSIZE: the index of the write-ahead log
 * could not be made. In the middle of a transaction only SQLITE_FULL says that nothing was written.
 */
export function isNoSpaceToOpen(error: unknown): boolean {
  return (
    error instanceof SqliteDatabase.SqliteError &&
    (error.code === 'SQLITE_FULL' || error.code === 'SQLITE_IOERR_SHMSIZE')
  );
}
