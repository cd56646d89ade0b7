import { realpath } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { quoteText, sqlList } from './duckdb.ts';

export interface ReadingDatabase extends AsyncDisposable {
  readonly connection: DuckDBConnection;
}

/** Enough to decode and encode; nothing here needs to keep a table. */
const MEMORY = '1GB';

/**
 * A database for looking at Parquet files: it reaches the folders of `reads` and the file `writes`, and nothing else,
 * and puts nothing on disk. Times with a zone are shown in UTC.
 */
export async function openReadingDatabase(
  reads: readonly string[],
  writes: string | null,
): Promise<ReadingDatabase> {
  const instance = await DuckDBInstance.create(':memory:', {
    threads: '2',
    memory_limit: MEMORY,
    temp_directory: '',
    autoload_known_extensions: 'false',
    autoinstall_known_extensions: 'false',
  });
  try {
    const connection = await instance.connect();
    const folders = [...new Set(reads.map((path) => dirname(path)))];
    const real = await Promise.all(folders.map((folder) => realpath(folder).catch(() => folder)));
    await connection.run(`SET TimeZone = 'UTC'`);
    await connection.run(`SET allowed_directories = ${sqlList([...new Set([...folders, ...real])])}`);
    await connection.run(`SET allowed_paths = [${writes === null ? '' : quoteText(writes)}]`);
    await connection.run('SET enable_external_access = false');
    await connection.run('SET lock_configuration = true');
    return {
      connection,
      async [Symbol.asyncDispose]() {
        connection.closeSync();
        instance.closeSync();
      },
    };
  } catch (error) {
    instance.closeSync();
    throw error;
  }
}
