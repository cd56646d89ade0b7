export type SqlValue = string | number | null;

/**
 * One open transaction on the ledger's database, as the verbs see it. Statements are whole, parameters are `?`, values
 * are text and numbers (JSON is text, truth is 0 or 1), so that SQLite and PostgreSQL can both stand behind it.
 *
 * Verbs of one job never overlap: SQLite has a single writer. A database with several takes a lock on (tenant, job)
 * before each verb; the verbs rely on it and lock nothing themselves.
 */
export interface Transaction {
  get<Row>(statement: string, ...values: SqlValue[]): Promise<Row | undefined>;
  all<Row>(statement: string, ...values: SqlValue[]): Promise<Row[]>;
  /** Returns how many rows it changed. */
  run(statement: string, ...values: SqlValue[]): Promise<number>;
  /** A random number in [0, 1), another one with each call. */
  float(): number;
}

/** For a statement that has to hit one row: anything else is a bug, and the transaction is rolled back. */
export function exactlyOne(changed: number): void {
  if (changed !== 1) throw new Error(`a statement of the ledger changed ${changed} rows instead of 1`);
}
