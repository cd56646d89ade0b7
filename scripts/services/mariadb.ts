import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import mysql from 'mysql2/promise';
import { endingWithUs } from './ending-with-us.ts';
import { freePort } from './free-port.ts';

const run = promisify(execFile);

/** A MariaDB server of one's own, on loopback, that ends when it is disposed of, or with this process. */
export interface MariadbServer extends AsyncDisposable {
  readonly port: number;
  readonly socket: string;
  /** Statements as the superuser, on the database `shop`. */
  readonly admin: mysql.Connection;
}

const PLACES = ['/usr/sbin/mariadbd', '/usr/libexec/mariadbd', '/usr/local/sbin/mariadbd'];

/** Starts a server; a string: why there can be none here. With `CI=true` it is installed first if need be. */
export async function startMariadb(): Promise<MariadbServer | string> {
  const binary = await findServer();
  if (binary === null)
    return 'there is no mariadbd; on Debian: apt-get install --no-install-recommends mariadb-server-core';
  const folder = await mkdtemp(join(tmpdir(), 'mariadb-'));
  const data = join(folder, 'data');
  const socket = join(folder, 'socket');
  const asRoot = process.getuid?.() === 0 ? ['--user=root'] : [];
  await run('mariadb-install-db', [
    '--no-defaults',
    `--datadir=${data}`,
    '--auth-root-authentication-method=normal',
    '--skip-test-db',
    ...asRoot,
  ]);
  const port = await freePort();
  const [program = '', ...args] = [...endingWithUs('TERM'), binary];
  const child = spawn(
    program,
    [
      ...args,
      ...['--no-defaults', `--datadir=${data}`, `--socket=${socket}`],
      ...[`--port=${port}`, '--bind-address=127.0.0.1', '--innodb-flush-log-at-trx-commit=0'],
      ...asRoot,
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const exited = once(child, 'exit');
  let said = '';
  await new Promise<void>((resolve, reject) => {
    child.stderr.on('data', (chunk: Buffer) => {
      if (said.length < 100_000) said += chunk.toString();
      if (/ready for connections/.test(said)) resolve();
    });
    child.once('error', reject);
    child.once('exit', () => reject(new Error(`the server did not start:\n${said}`)));
  });
  const admin = await mysql.createConnection({ socketPath: socket, user: 'root', multipleStatements: true });
  await admin.query('CREATE DATABASE shop CHARACTER SET utf8mb4; USE shop');
  return {
    port,
    socket,
    admin,
    async [Symbol.asyncDispose]() {
      admin.destroy();
      child.kill('SIGTERM');
      await exited;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function findServer(): Promise<string | null> {
  const there = () => PLACES.find((path) => existsSync(path)) ?? null;
  if (there() !== null || process.env.CI !== 'true') return there();
  // The server alone, which starts no service.
  await run('apt-get', ['update', '-qq']).catch(() => {});
  await run(
    'apt-get',
    ['install', '-y', '-qq', '--no-install-recommends', 'mariadb-server-core', 'mariadb-client-core'],
    {
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    },
  ).catch(() => {});
  return there();
}
