import { readFileSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';
import { Failure } from '../core/errors.ts';
import type { ServerSettings } from '../spec/server-settings.ts';
import { openEmbeddedManager } from './embedded-manager.ts';
import { watchInterrupts } from './interrupts.ts';
import type { Output } from './output.ts';
import { EMBEDDED_TENANT, openStateFolder, type StateFolder } from './state-folder.ts';

/** Serves until the first SIGTERM or SIGINT; then hands all work back and ends. Fails with STATE_LOCKED, SETTING_INVALID. */
export async function runServer(settings: ServerSettings, output: Output): Promise<number> {
  const tls =
    settings.tls_cert === null || settings.tls_key === null
      ? null
      : { cert: readPem(settings.tls_cert, 'tls_cert'), key: readPem(settings.tls_key, 'tls_key') };
  if (tls !== null) requireCertificate(tls);
  const folder = openStateFolder(settings.state);
  const interrupts = watchInterrupts(output);
  const server = await openEmbeddedManager(folder, { work: true, service: { settings, tls } });
  try {
    const first = await server.keys.createFirst(EMBEDDED_TENANT);
    if (first !== null) await handOver(first.key, folder, output);
    output.event('serving', { url: server.publicUrl, pid: process.pid });
    output.note(
      `Serving ${server.publicUrl} from ${folder.path} (process ${process.pid}). Stop it with Ctrl-C.`,
    );
    await Promise.race([aborted(interrupts.first), aborted(server.diskFull)]);
    server.diskFull.throwIfAborted();
    output.event('stopping', {});
    output.note('Finishing the batches in hand; Ctrl-C again to kill.');
    return 0;
  } finally {
    await server.close();
    interrupts.stop();
    output.event('stopped', {});
  }
}

/** The only time that the first key is shown: on the terminal, or, where there is none, in a file of its owner. */
async function handOver(key: string, folder: StateFolder, output: Output): Promise<void> {
  if (process.stderr.isTTY && !output.json) {
    output.note(`The key of the administrator, shown this once:\n\n  ${key}\n`);
    return;
  }
  const file = join(folder.path, 'admin-key');
  await writeFile(`${file}.new`, `${key}\n`, { mode: 0o600, flag: 'w' });
  await rename(`${file}.new`, file);
  output.event('admin-key', { file });
  output.note(`The key of the administrator is in ${file}; put it away and remove the file.`);
}

function requireCertificate(tls: { readonly cert: Buffer; readonly key: Buffer }): void {
  try {
    createSecureContext(tls);
  } catch (error) {
    throw new Failure(
      'SETTING_INVALID',
      `tls_cert and tls_key are no certificate with its key: ${(error as Error).message}.`,
      { next: 'Give PEM files that belong together.', cause: error },
    );
  }
}

function readPem(path: string, setting: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new Failure(
      'SETTING_INVALID',
      `${setting}: ${path} cannot be read (${(error as NodeJS.ErrnoException).code}).`,
      { place: { file: path }, cause: error },
    );
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
