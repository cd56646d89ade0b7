import type { ConnectionSpec } from '../spec/connections.ts';
import type { Database } from './database.ts';

/** What opening a database may use of the machine. */
export interface DatabaseSettings {
  readonly threads: number;
  readonly memoryLimitMb: number;
  readonly tempDir: string;
}

/** The database behind a connection; drivers are loaded when they are needed. Opens nothing yet. */
export async function openDatabase(
  name: string,
  spec: ConnectionSpec,
  settings: DatabaseSettings,
): Promise<Database> {
  switch (spec.kind) {
    case 'duckdb': {
      const { duckdbDatabase } = await import('./duckdb/duckdb-database.ts');
      return duckdbDatabase(name, spec, settings);
    }
    case 'sqlite': {
      const { sqliteDatabase } = await import('./sqlite/sqlite-database.ts');
      return sqliteDatabase(name, spec);
    }
    case 'postgres': {
      const { postgresDatabase } = await import('./postgres/postgres-database.ts');
      return postgresDatabase(name, spec);
    }
    case 'mysql': {
      const { mysqlDatabase } = await import('./mysql/mysql-database.ts');
      return mysqlDatabase(name, spec);
    }
  }
}
