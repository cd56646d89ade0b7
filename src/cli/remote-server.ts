import { createWriteStream, readFileSync } from 'node:fs';
import { link, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Option } from 'commander';
import { type BatchClient, createBatchClient } from '../client/batch-client.ts';
import { failureOf } from '../client/transport.ts';
import { Failure } from '../core/errors.ts';
import { keyFolder } from '../lineage/keys.ts';
import { fsFailure } from '../storage/fs-failure.ts';
import { systemClock } from './system-ports.ts';

/** A server that is reached over the network, with an API key. */
export interface RemoteServer {
  readonly client: BatchClient;
  /**
   * Writes the rows of a job to a file, or, with null, to standard output. False: there are none. Never over a file that
   * is there: FILE_EXISTS.
   */
  download(jobId: string, what: 'results' | 'rejects', format: string, to: string | null): Promise<boolean>;
}

export function serverOption(): Option {
  return new Option(
    '--server <url>',
    'a server to talk to; its key is in BATCHWRIGHT_API_KEY, or in the file `credentials`',
  );
}

/** Fails with USAGE where the URL is none or there is no key for it. */
export function remoteServer(server: string): RemoteServer {
  const url = URL.parse(server);
  if (url === null || !/^https?:$/.test(url.protocol))
    throw new Failure(
      'USAGE',
      `--server takes a URL such as https://host:8372, not ${JSON.stringify(server)}.`,
    );
  if (url.username !== '' || url.password !== '')
    throw new Failure(
      'USAGE',
      '--server takes no user or password: everybody on this machine could see them.',
      {
        next: 'Put the API key into BATCHWRIGHT_API_KEY.',
      },
    );
  const token = keyFor(url.origin);
  const client = createBatchClient({
    managerUrl: url.origin,
    token,
    fetch: globalThis.fetch,
    sleep: (ms) => systemClock.sleep(ms),
    // A wait of a status is held for half a minute.
    timeoutMs: 60_000,
  });
  return {
    client,
    async download(jobId, what, format, to) {
      const path = `/api/v1/inference/batch/${encodeURIComponent(jobId)}/${what}?format=${format}`;
      const response = await ask(new URL(path, url.origin), token);
      if (response.status === 204) return false;
      if (!response.ok) throw failureOf(await response.text(), response.status);
      const body = response.body === null ? Readable.from([]) : Readable.fromWeb(response.body);
      if (to === null) await pipeline(body, process.stdout, { end: false });
      else await writeWhole(body, resolve(to), to);
      return true;
    },
  };
}

async function ask(url: URL, token: string): Promise<Response> {
  try {
    return await fetch(url, { headers: { authorization: `Bearer ${token}` } });
  } catch (error) {
    throw new Failure('MANAGER_UNREACHABLE', `The server at ${url.origin} does not answer.`, {
      cause: error,
    });
  }
}

/** Whole, or not at all: what is cut off on the way is no file. */
async function writeWhole(body: Readable, path: string, shown: string): Promise<void> {
  const partial = `${path}.${process.pid}.partial`;
  try {
    await pipeline(body, createWriteStream(partial, { flags: 'wx' }));
    await link(partial, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST')
      throw new Failure('FILE_EXISTS', `${shown} exists already.`, { place: { file: shown } });
    throw fsFailure(error, 'Writing the rows', shown, 'DESTINATION_UNWRITABLE');
  } finally {
    await rm(partial, { force: true });
  }
}

/** `BATCHWRIGHT_API_KEY`; else the line `<url> <key>` of `$XDG_CONFIG_HOME/batchwright/credentials`. */
function keyFor(origin: string): string {
  const { BATCHWRIGHT_API_KEY: given } = process.env;
  if (given !== undefined && given !== '') return given;
  const file = join(keyFolder(process.env, homedir()), 'credentials');
  const key = linesOf(file)
    .map((line) => line.trim().split(/\s+/))
    .find(([url = '']) => URL.parse(url)?.origin === origin)?.[1];
  if (key !== undefined) return key;
  throw new Failure('UNAUTHORIZED', `There is no API key for ${origin}.`, {
    next: `Put it into BATCHWRIGHT_API_KEY, or as a line "${origin} bw_..." into ${file}.`,
  });
}

function linesOf(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').split('\n');
  } catch {
    return [];
  }
}
