import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { type Failure, failureFromReport } from '../../core/errors.ts';
import type { Random } from '../../core/ports.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { ledgerOf } from '../ledger/verbs.ts';
import type { Models } from '../models/models.ts';
import { modelsOf } from '../models/verbs.ts';
import type { Tenants } from '../tenants/tenants.ts';
import { tenantsOf } from '../tenants/verbs.ts';
import type { StateVerbName } from '../verbs.ts';
import { type Limits, openVerbRunner } from './database.ts';
import type { FromThread, ToThread } from './thread-protocol.ts';

/** The ledger, and beside it in the same database the model registry and the tenants. */
export type OpenLedger = Ledger & { readonly models: Models; readonly tenants: Tenants };

export interface OpenLedgerInput {
  /** The state folder, which exists; the ledger is its `ledger.sqlite`. */
  readonly folder: string;
  /** For the jitter of retries. */
  readonly random: Random;
  /** Told each time that a verb is refused because the disk is full: no job goes on until there is space. */
  readonly onDiskFull?: (failure: Failure) => void;
}

/**
 * Opens the ledger of a state folder in a thread of its own, so that no fsync stalls the caller's event loop. Who writes
 * to it holds the folder's manager lock. Throws STATE_TOO_NEW, DISK_FULL and STORAGE_FAILED.
 *
 * When the thread ends by itself (a bug, an I/O error), the verbs under way and all later ones are rejected: whether they
 * happened is unknown, and only another start can tell.
 */
export async function openLedger({ folder, random, onDiskFull }: OpenLedgerInput): Promise<OpenLedger> {
  const thread = startThread(join(folder, 'ledger.sqlite'));
  const pending = new Map<number, PromiseWithResolvers<unknown>>();
  const opened = Promise.withResolvers<void>();
  const exited = Promise.withResolvers<void>();
  let ended: Error | null = null;
  let lastId = 0;

  function end(error: Error): void {
    ended ??= error;
    opened.reject(ended);
    for (const waiting of pending.values()) waiting.reject(ended);
    pending.clear();
  }
  thread.on('message', (message: FromThread) => {
    if (message.kind === 'open') return opened.resolve();
    if (message.kind === 'refused') return opened.reject(failureFromReport(message.failure));
    const waiting = pending.get(message.id);
    pending.delete(message.id);
    if (message.kind === 'done') {
      waiting?.resolve(message.value);
      return;
    }
    const failure = failureFromReport(message.failure);
    if (failure.code === 'DISK_FULL') onDiskFull?.(failure);
    waiting?.reject(failure);
  });
  thread.on('error', (error) => end(error as Error));
  thread.on('exit', () => {
    end(new Error('the ledger is closed'));
    exited.resolve();
  });

  function send(message: ToThread): void {
    thread.postMessage(message);
  }
  function call(verb: StateVerbName, args: readonly unknown[]): Promise<unknown> {
    if (ended !== null) return Promise.reject(ended);
    lastId += 1;
    const waiting = Promise.withResolvers<unknown>();
    pending.set(lastId, waiting);
    send({ kind: 'verb', id: lastId, verb, args, seed: random.float() });
    return waiting.promise;
  }
  async function dispose(): Promise<void> {
    if (ended === null) send({ kind: 'close' });
    await exited.promise;
  }
  await opened.promise;
  return withOthers(call, dispose);
}

/** The same ledger without the thread: for simulations, which want one thread, and memory (`:memory:`) for a disk. */
export function openLedgerInProcess({
  file,
  random,
  ...limits
}: { readonly file: string; readonly random: Random } & Limits): OpenLedger {
  const runner = openVerbRunner(file, limits);
  let closed: Promise<void> | null = null;
  return withOthers(
    async (verb, args) => {
      if (closed !== null) throw new Error('the ledger is closed');
      return runner.run(verb, structuredClone(args), random.float());
    },
    () => (closed ??= runner.close()),
  );
}

function withOthers(
  call: (verb: StateVerbName, args: readonly unknown[]) => Promise<unknown>,
  dispose: () => Promise<void>,
): OpenLedger {
  return Object.assign(ledgerOf(call, dispose), { models: modelsOf(call), tenants: tenantsOf(call) });
}

/**
 * From source the module next to this one is TypeScript, in the package it is JavaScript. The process's own Node options
 * are not for the thread (some, such as --input-type, would keep it from starting).
 */
function startThread(file: string): Worker {
  const module = import.meta.url.endsWith('.ts') ? './ledger-thread.ts' : './ledger-thread.js';
  return new Worker(new URL(module, import.meta.url), { name: 'ledger', workerData: { file }, execArgv: [] });
}
