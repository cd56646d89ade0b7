import type { ConvertedColumn } from '../data/convert-rows.ts';

/**
 * A database that rows are read from. Each call opens what it needs and closes it again: a DuckDB file is locked for all others
 * while it is open, and a server's connections are few.
 *
 * All fail with CONNECTION_REFUSED, CONNECTION_FAILED, SECRET_MISSING, DRIVER_MISSING or WAREHOUSE_LOCKED where the database
 * cannot be had, and then name the connection. No failure holds a secret.
 */
export interface Database {
  readonly name: string;
  /** What the server says of itself. */
  about(signal: AbortSignal): Promise<AboutDatabase>;
  /** The SELECT of a table's rows, with names quoted as this database does. `table`: as `parseTableName` reads it. */
  tableQuery(table: string, columns: readonly string[] | undefined): string;
  /**
   * Runs one statement, which must only read, in one consistent snapshot, and gives its rows as they come.
   *
   * Fails with QUERY_INVALID (with line and column of the query), QUERY_FORBIDDEN, QUERY_FAILED, QUERY_TIMEOUT, COLUMN_TYPE (a
   * column that cannot be carried exactly, by name), COLUMN_AMBIGUOUS; so do `rows` and `write` of what it gives.
   */
  read(request: ReadRequest, signal: AbortSignal): Promise<Reading>;
}

export interface ReadRequest {
  readonly query: string;
  /** From the beginning to the last row. */
  readonly timeoutMs: number;
  /** The file that a database which writes Parquet itself is to write; it does not exist yet. */
  readonly target: string;
}

export interface AboutDatabase {
  /** With its version: `PostgreSQL 18.4`. */
  readonly server: string;
  /** Null: the kind of database knows none. */
  readonly user: string | null;
  readonly database: string;
  /** Could the user that is connected write, if it were let? Null: cannot be told. */
  readonly canWrite: boolean | null;
  readonly encrypted: boolean;
}

/** An open snapshot, with the rows of one statement. */
export interface Reading extends AsyncDisposable {
  readonly columns: readonly ReadColumn[];
  readonly about: AboutDatabase;
  /** When the snapshot was taken, by the server's clock, in epoch milliseconds. */
  readonly snapshotMs: number;
  /** What the server calls the state that is read. */
  readonly marks: Readonly<Record<string, string>>;
  readonly rows: TextRows | ParquetRows;
}

/** Rows as CSV in the form that data/convert-rows.ts reads. */
export interface TextRows {
  readonly kind: 'text';
  /** Pieces of any size, which need not end where rows do. Once. */
  readonly chunks: AsyncIterable<Buffer>;
  /** What the other side says how many rows it has sent; known when `chunks` has ended. */
  sent(): number;
}

/** The database can write Parquet itself, exactly. */
export interface ParquetRows {
  readonly kind: 'parquet';
  /** Writes all rows to `ReadRequest.target`, and returns how many they are. */
  write(): Promise<number>;
}

/** A column of the result. */
export interface ReadColumn extends Omit<ConvertedColumn, 'from'> {
  /**
   * The type can only be told when all values are known: until then they are texts; see data/late-types.ts. `type` is
   * that of a column without values.
   */
  readonly late?: 'decimal' | 'dynamic';
}
