import { readFileSync, writeSync } from 'node:fs';
import Database from 'better-sqlite3';
import { RowText } from '../row-text.ts';

/**
 * Entry of the process that reads a SQLite file: a step of SQLite cannot be interrupted from JavaScript, a process can be
 * killed. Standard input is a `ReaderOrder`. Standard output gets one line of JSON, a `ReaderHead`, then the rows, as
 * data/convert-rows.ts reads them; standard error, at the end, one line of JSON, a `ReaderEnd`.
 */
export interface ReaderOrder {
  readonly path: string;
  readonly query: string;
}

export interface ReaderHead {
  readonly version: string;
  readonly dataVersion: string;
  readonly snapshotMs: number;
  /** `declared`: the type of the table's column that it is; null: it is none. */
  readonly columns: readonly { readonly name: string; readonly declared: string | null }[];
}

export type ReaderEnd =
  | { readonly rows: number }
  /** `forbidden`: it is no single SELECT; `invalid`: it cannot be prepared; `failed`: while it ran. */
  | { readonly error: 'open' | 'forbidden' | 'invalid' | 'failed'; readonly message: string };

type Value = null | bigint | number | string | Buffer;

/** A value with its class in front (`i`, `r`, `t`, `b`): data/late-types.ts decides by the classes of all of a column. */
function fieldOf(value: Value): string | null {
  if (value === null) return null;
  if (typeof value === 'bigint') return `i${value}`;
  if (typeof value === 'number') return Object.is(value, -0) ? 'r-0.0' : `r${value}`;
  if (typeof value === 'string') return `t${value}`;
  return `b${value.toString('hex')}`;
}

function read({ path, query }: ReaderOrder): ReaderEnd {
  let stage: 'open' | 'invalid' | 'failed' = 'open';
  let database: Database.Database | undefined;
  try {
    database = new Database(path, { readonly: true, fileMustExist: true });
    database.pragma('query_only = 1');
    database.pragma('trusted_schema = 0');
    database.defaultSafeIntegers(true);
    const version = String(database.prepare('SELECT sqlite_version()').pluck().get());
    const dataVersion = String(database.pragma('data_version', { simple: true }));
    stage = 'invalid';
    const statement = database.prepare<[], Value[]>(query);
    if (!statement.reader || !statement.readonly)
      return { error: 'forbidden', message: 'it is no SELECT that only reads' };
    // A PRAGMA or EXPLAIN gives rows, too; only a SELECT can stand in parentheses. The statement itself is the one above.
    const text = query.replace(/(\s*;)+\s*$/, '');
    try {
      database.prepare(`SELECT * FROM (${text}\n)`);
    } catch {
      return { error: 'forbidden', message: 'it is no SELECT' };
    }
    const columns = statement.columns().map(({ name, type }) => ({ name, declared: type }));
    const head: ReaderHead = { version, dataVersion, snapshotMs: Date.now(), columns };
    stage = 'failed';
    const rows = new RowText();
    const iterator = statement.raw(true).iterate();
    // The first row is stepped to before the head is told: what fails at once has no head.
    let next = iterator.next();
    print(Buffer.from(`${JSON.stringify(head)}\n`));
    while (next.done !== true) {
      const piece = rows.row((next.value as Value[]).map(fieldOf));
      if (piece !== null) print(piece);
      next = iterator.next();
    }
    print(rows.rest());
    return { rows: rows.rows };
  } catch (error) {
    const { message } = error as Error;
    const several = error instanceof RangeError && /more than one statement/.test(message);
    const empty = error instanceof RangeError && /contains no statements/.test(message);
    if (several) return { error: 'forbidden', message: 'it holds more than one statement' };
    return { error: stage, message: empty ? 'it holds no statement' : message };
  } finally {
    database?.close();
  }
}

/** Waits where the reader of the pipe is slower. */
function print(bytes: Buffer): void {
  for (let done = 0; done < bytes.length; ) {
    try {
      done += writeSync(1, bytes, done);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}

if (import.meta.main) {
  const end = read(JSON.parse(readFileSync(0, 'utf8')) as ReaderOrder);
  writeSync(2, `${JSON.stringify(end)}\n`);
}
