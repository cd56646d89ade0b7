import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, constants } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Failure } from '../../core/errors.ts';
import type { FileConnection } from '../../spec/connections.ts';
import type { AboutDatabase, Database, ReadColumn } from '../database.ts';
import { queryFailure, queryTimedOut, requireDistinct } from '../query-failure.ts';
import { quoteIdentifier, selectFrom } from '../table-name.ts';
import type { ReaderEnd, ReaderHead, ReaderOrder } from './sqlite-reader.ts';

/** A SQLite file, read by a process of its own, which is killed when the time is up. */
export function sqliteDatabase(name: string, { path }: FileConnection): Database {
  return {
    name,
    async about(signal) {
      const reader = startReader(name, path, 'SELECT 1 AS one', ABOUT_MS, signal);
      try {
        return await aboutFile(path, await reader.head);
      } finally {
        await reader.stop();
      }
    },
    tableQuery: (table, columns) => selectFrom(table, columns, quoteIdentifier),
    async read({ query, timeoutMs }, signal) {
      const reader = startReader(name, path, query, timeoutMs, signal);
      try {
        const head = await reader.head;
        requireDistinct(
          head.columns.map((column) => column.name),
          name,
        );
        return {
          columns: head.columns.map(columnOf),
          about: await aboutFile(path, head),
          snapshotMs: head.snapshotMs,
          marks: { data_version: head.dataVersion },
          rows: { kind: 'text', chunks: reader.chunks(), sent: reader.sent },
          [Symbol.asyncDispose]: reader.stop,
        };
      } catch (error) {
        await reader.stop();
        throw error;
      }
    },
  };
}

const ABOUT_MS = 30_000;

/** By the affinity that SQLite derives from a declared type; what a column has without any value. */
function columnOf({ name, declared }: ReaderHead['columns'][number]): ReadColumn {
  const type = /INT/i.test(declared ?? '')
    ? 'BIGINT'
    : /REAL|FLOA|DOUB/i.test(declared ?? '')
      ? 'DOUBLE'
      : /BLOB/i.test(declared ?? '')
        ? 'BLOB'
        : 'VARCHAR';
  return { name, type, late: 'dynamic' };
}

async function aboutFile(path: string, head: ReaderHead): Promise<AboutDatabase> {
  const canWrite = await access(path, constants.W_OK).then(
    () => true,
    () => false,
  );
  return { server: `SQLite ${head.version}`, user: null, database: path, canWrite, encrypted: false };
}

interface Reader {
  readonly head: Promise<ReaderHead>;
  /** The rows. Fails as the statement did. */
  chunks(): AsyncIterable<Buffer>;
  sent(): number;
  stop(): Promise<void>;
}

function startReader(
  name: string,
  path: string,
  query: string,
  timeoutMs: number,
  signal: AbortSignal,
): Reader {
  const entry = import.meta.url.endsWith('.ts') ? './sqlite-reader.ts' : './sqlite-reader.js';
  const child = spawn(process.execPath, [fileURLToPath(new URL(entry, import.meta.url))], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH ?? '', NODE_NO_WARNINGS: '1' },
  });
  const closed = once(child, 'close').catch(() => {});
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    child.kill('SIGKILL');
  }, timeoutMs);
  const kill = () => child.kill('SIGKILL');
  signal.addEventListener('abort', kill);
  const order: ReaderOrder = { path, query };
  child.stdin.on('error', () => {});
  child.stdin.end(JSON.stringify(order));
  let told = '';
  child.stderr.on('data', (bytes: Buffer) => {
    told += bytes.toString('utf8');
  });
  let sent = 0;
  const finish = async (): Promise<void> => {
    await closed;
    signal.throwIfAborted();
    if (timedOut) throw queryTimedOut(name, timeoutMs);
    const end = endOf(told);
    if (end === null)
      throw new Failure(
        'CONNECTION_FAILED',
        `The process that read ${path} (connection ${name}) ended half way.`,
        {
          cause: new Error(told.slice(0, 2_000)),
        },
      );
    if ('error' in end) throw failureOf(name, path, query, end);
    sent = end.rows;
  };
  const pieces = child.stdout[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  let rest: Buffer = Buffer.alloc(0);
  const readHead = async (): Promise<ReaderHead> => {
    for (;;) {
      const end = rest.indexOf(0x0a);
      if (end >= 0) {
        const head = JSON.parse(rest.toString('utf8', 0, end)) as ReaderHead;
        rest = rest.subarray(end + 1);
        return head;
      }
      const next = await pieces.next();
      if (next.done === true) {
        await finish();
        throw new Error('the reader ended well without a head');
      }
      rest = Buffer.concat([rest, next.value]);
    }
  };
  const head = readHead();
  head.catch(() => {});
  return {
    head,
    async *chunks() {
      if (rest.length > 0) yield rest;
      for (let next = await pieces.next(); next.done !== true; next = await pieces.next()) yield next.value;
      await finish();
    },
    sent: () => sent,
    async stop() {
      clearTimeout(timer);
      signal.removeEventListener('abort', kill);
      child.kill('SIGKILL');
      child.stdout.destroy();
      await closed;
    },
  };
}

function endOf(told: string): ReaderEnd | null {
  const last = told.trimEnd().split('\n').at(-1) ?? '';
  try {
    return JSON.parse(last) as ReaderEnd;
  } catch {
    return null;
  }
}

function failureOf(
  name: string,
  path: string,
  query: string,
  { error, message }: Extract<ReaderEnd, { error: string }>,
): Failure {
  if (error === 'open') {
    return new Failure('CONNECTION_REFUSED', `${path} (connection ${name}) cannot be opened: ${message}.`, {
      place: { file: path, field: `connections.${name}` },
      next: 'Check that the file is there, is a SQLite database and may be read.',
    });
  }
  if (error === 'forbidden')
    return queryFailure('QUERY_FORBIDDEN', name, message, { query, next: 'Give one SELECT.' });
  if (error === 'failed') return queryFailure('QUERY_FAILED', name, message, { query });
  // SQLite tells the word, not its place.
  const [, word] =
    /near "([^"]+)"|no such (?:column|table): (?:\w+\.)?(\S+)/.exec(message)?.filter(Boolean) ?? [];
  const at = word === undefined ? -1 : query.indexOf(word);
  const isClear = word !== undefined && at >= 0 && query.indexOf(word, at + 1) < 0;
  return queryFailure('QUERY_INVALID', name, message, { query, ...(isClear ? { offset: at } : {}) });
}
