import type { Database } from 'better-sqlite3';
import { Failure } from '../../core/errors.ts';
import { LEDGER } from './migrations/0001-ledger.ts';
import { MODELS } from './migrations/0002-models.ts';
import { ORIGINAL_FILES } from './migrations/0003-original-files.ts';
import { PREPARED_INPUT } from './migrations/0004-prepared-input.ts';
import { RETRIES } from './migrations/0005-retries.ts';
import { SERVICE } from './migrations/0006-service.ts';

/** In order, forward only; a migration that was ever released is never edited. `src/state/schema.sql` is where they lead. */
const MIGRATIONS: readonly string[] = [LEDGER, MODELS, ORIGINAL_FILES, PREPARED_INPUT, RETRIES, SERVICE];

/** Brings the database to this program's version, each step in a transaction of its own. Throws STATE_TOO_NEW. */
export function migrate(database: Database): void {
  for (let version = versionOf(database); version !== MIGRATIONS.length; version = versionOf(database)) {
    if (version > MIGRATIONS.length) {
      throw new Failure(
        'STATE_TOO_NEW',
        `${database.name} has version ${version}; this program knows versions up to ${MIGRATIONS.length}.`,
      );
    }
    database.transaction(step).immediate(database);
  }
}

/** Looks at the version again inside the transaction: another process may have been faster. */
function step(database: Database): void {
  const version = versionOf(database);
  const migration = MIGRATIONS[version];
  if (migration === undefined) return;
  database.exec(migration);
  database.pragma(`user_version = ${version + 1}`);
}

function versionOf(database: Database): number {
  return database.pragma('user_version', { simple: true }) as number;
}
