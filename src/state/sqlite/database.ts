import SqliteDatabase, { type Database, type Statement } from 'better-sqlite3';
import { Failure } from '../../core/errors.ts';
import type { SqlValue, Transaction } from '../ledger/transaction.ts';
import { STATE_VERBS, type StateVerbName } from '../verbs.ts';
import { migrate } from './migrations.ts';
import { isNoSpaceToOpen } from './no-space.ts';

/** Carries out verbs one strictly after the other, each in one transaction that is on disk when its promise resolves. */
export interface VerbRunner {
  /** `seed` in [0, 1) is where the verb's random numbers come from. */
  run(verb: StateVerbName, args: readonly unknown[], seed: number): Promise<unknown>;
  /** After the verbs asked for so far. */
  close(): Promise<void>;
}

/**
 * The database cannot be trusted any more (it may or may not hold the last verb), or our own code is wrong. Nothing runs
 * after it on this connection.
 */
export class LedgerBroken extends Error {
  constructor(cause: unknown) {
    super(`The ledger stopped: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    this.name = 'LedgerBroken';
  }
}

/** How long to wait for another program that looks into the database. */
const BUSY_TIMEOUT_MS = 5_000;

/** What a disk allows, for tests that need a small or a busy one. */
export interface Limits {
  readonly maxPages?: number;
  readonly busyTimeoutMs?: number;
}

/** Opens `file`, made if absent (its folder must exist), or `:memory:`. Throws STATE_TOO_NEW, DISK_FULL and STORAGE_FAILED. */
export function openVerbRunner(file: string, limits: Limits = {}): VerbRunner {
  const database = openDatabase(file, limits);
  const prepared = new Map<string, Statement>();
  let tail: Promise<unknown> = Promise.resolve();
  let broken: LedgerBroken | null = null;

  async function execute(verb: StateVerbName, args: readonly unknown[], seed: number): Promise<unknown> {
    if (broken !== null) throw broken;
    try {
      return await inTransaction(database, () => {
        const act = STATE_VERBS[verb] as (tx: Transaction, ...args: readonly unknown[]) => Promise<unknown>;
        return act(transactionOn(database, prepared, seed), ...args);
      });
    } catch (error) {
      const failure = asExpected(error, file);
      if (failure !== null) throw failure;
      broken = new LedgerBroken(error);
      throw broken;
    }
  }

  return {
    run(verb, args, seed) {
      const outcome = tail.then(() => execute(verb, args, seed));
      tail = outcome.catch(() => undefined);
      return outcome;
    },
    async close() {
      await tail;
      database.close();
    },
  };
}

function openDatabase(file: string, limits: Limits): Database {
  let database: Database | null = null;
  try {
    database = new SqliteDatabase(file, { timeout: limits.busyTimeoutMs ?? BUSY_TIMEOUT_MS });
    const mode = database.pragma('journal_mode = WAL', { simple: true });
    if (mode !== 'wal' && file !== ':memory:') {
      throw new Failure(
        'STORAGE_FAILED',
        `${file} cannot use a write-ahead log; its file system has no shared memory.`,
        {
          next: 'Put the state folder on a local disk.',
        },
      );
    }
    // Without FULL, a power cut may take back verbs that were answered.
    database.pragma('synchronous = FULL');
    database.pragma('foreign_keys = ON');
    if (limits.maxPages !== undefined) database.pragma(`max_page_count = ${limits.maxPages}`);
    migrate(database);
    return database;
  } catch (error) {
    database?.close();
    if (isNoSpaceToOpen(error)) throw noSpace(file, error);
    if (error instanceof SqliteDatabase.SqliteError || error instanceof TypeError) {
      throw new Failure('STORAGE_FAILED', `The state ${file} cannot be opened: ${error.message}.`, {
        cause: error,
        next: 'Check that the state folder exists, is writable and holds no other file of that name.',
      });
    }
    throw error;
  }
}

async function inTransaction<Result>(database: Database, body: () => Promise<Result>): Promise<Result> {
  database.exec('BEGIN IMMEDIATE');
  try {
    const result = await body();
    database.exec('COMMIT');
    return result;
  } catch (error) {
    if (database.inTransaction) database.exec('ROLLBACK');
    throw error;
  }
}

function transactionOn(database: Database, prepared: Map<string, Statement>, seed: number): Transaction {
  let float = seed;
  function statement(text: string): Statement {
    const known = prepared.get(text);
    if (known !== undefined) return known;
    const made = database.prepare(text);
    prepared.set(text, made);
    return made;
  }
  return {
    async get<Row>(text: string, ...values: SqlValue[]) {
      return statement(text).get(...values) as Row | undefined;
    },
    async all<Row>(text: string, ...values: SqlValue[]) {
      return statement(text).all(...values) as Row[];
    },
    async run(text: string, ...values: SqlValue[]) {
      return statement(text).run(...values).changes;
    },
    float() {
      // Steps of the golden ratio spread any number of jitters evenly over [0, 1).
      float = (float + 0.618_033_988_749_894_9) % 1;
      return float;
    },
  };
}

/** What may be answered and lived on with, because it is certain that nothing was written; null for everything else. */
function asExpected(error: unknown, file: string): Failure | null {
  if (error instanceof Failure) return error;
  if (!(error instanceof SqliteDatabase.SqliteError)) return null;
  if (error.code === 'SQLITE_FULL') return noSpace(file, error);
  if (error.code.startsWith('SQLITE_BUSY')) {
    return new Failure('STORAGE_FAILED', `Another program keeps the state ${file} locked.`, { cause: error });
  }
  return null;
}

function noSpace(file: string, cause: unknown): Failure {
  return new Failure('DISK_FULL', `No space is left for the state ${file}.`, { place: { file }, cause });
}
