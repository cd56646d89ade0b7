import { join } from 'node:path';
import type { Compute } from '../compute/compute.ts';
import { createLocalCompute } from '../compute/local/local-compute.ts';
import { isProvablyDead, processIdentity } from '../compute/local/process-identity.ts';
import { createServer } from '../http/server.ts';
import { createChanges } from '../manager/changes.ts';
import { createManager } from '../manager/manager.ts';
import { createTokens } from '../manager/tokens.ts';
import { openFileLog } from '../observe/log.ts';
import { checkNamedColumns } from '../sources/check-named-columns.ts';
import { identifyRepaired } from '../sources/files/identify-repaired.ts';
import { checkPreparedUnchanged, refuseInputOverlap } from '../sources/prepare.ts';
import { sources } from '../sources/sources.ts';
import { acquireManagerLock } from '../state/sqlite/manager-lock.ts';
import { openLedger } from '../state/sqlite/open-ledger.ts';
import { createLocalStorage } from '../storage/local.ts';
import { localSink } from './local-sink.ts';
import { thisProgram } from './program.ts';
import { registryOver } from './registry-over.ts';
import { removeDeadScratch, scratchRoot } from './scratch-folder.ts';
import {
  EMBEDDED_TENANT,
  type Endpoint,
  removeEndpoint,
  type StateFolder,
  tokenSecret,
  writeEndpoint,
} from './state-folder.ts';
import { systemClock, systemRandom } from './system-ports.ts';
import { startTaskProcess } from './task-process.ts';

/** A manager inside this process, on a free port of the loopback interface. */
export interface EmbeddedManager {
  readonly endpoint: Endpoint;
  /** Aborted, with the failure, when the disk of the state folder is full: no job goes on until there is space. */
  readonly diskFull: AbortSignal;
  /** Hands all work back; questions are still answered. Safe to call twice. */
  drain(): Promise<void>;
  /** Drains, stops everything, lets go of the state folder. Safe to call twice. */
  close(): Promise<void>;
}

const ADMIN_TOKEN_MS = 365 * 24 * 3_600_000;
const LEASE_MS = 10_000;
const MAX_CONCURRENT_JOBS = 3;
const KEEP_STAGING_MS = 168 * 3_600_000;
/** On one machine inputs, models and outputs lie wherever the user says. */
export const WHOLE_FILE_SYSTEM = '/';

export interface EmbeddedOptions {
  /** False: answers questions about jobs, but works on none. */
  readonly work: boolean;
  /** Default: the whole file system. */
  readonly storageRoot?: string;
  /** Absolute path, inside the storage, for workspaces and models. Default: in the state folder. */
  readonly workspace?: string;
  /** Default: one worker process for each core. */
  readonly compute?: Compute;
}

/** Fails with STATE_LOCKED when another process is the manager of this folder. */
export async function openEmbeddedManager(
  folder: StateFolder,
  options: EmbeddedOptions,
): Promise<EmbeddedManager> {
  const { work, storageRoot = WHOLE_FILE_SYSTEM, workspace = folder.workspace } = options;
  // Whatever fails on the way, what was opened before is closed: a thread or the lock left behind would hold the process.
  await using opened = new AsyncDisposableStack();
  opened.use(acquireManagerLock(folder.path));
  const diskFull = new AbortController();
  const ledger = opened.use(
    await openLedger({
      folder: folder.path,
      random: systemRandom,
      onDiskFull: (failure) => diskFull.abort(failure),
    }),
  );
  const scratch = scratchRoot(workspace);
  removeDeadScratch(scratch);
  const log = openFileLog(join(folder.logs, 'manager.log'), { pid: process.pid });
  const storage = createLocalStorage({ root: storageRoot });
  const program = thisProgram();
  const tokens = createTokens(tokenSecret(folder));
  const sink = localSink(storage);
  let managerUrl = '';
  const manager = createManager({
    ledger,
    models: ledger.models,
    storage,
    clock: systemClock,
    random: systemRandom,
    log,
    tokens,
    changes: createChanges(systemClock),
    compute: options.compute ?? createLocalCompute({ program, storageRoot, scratch }),
    registry: registryOver(ledger, storage),
    checkSourceUnchanged: (spec, snapshot) => checkPreparedUnchanged(spec.input, snapshot, storage),
    inputBytes: (spec) => sources[spec.input.source].sizeBytes(spec.input),
    identifyRepaired,
    checkNamedColumns,
    checkDestination: async (spec, jobId, adopt, replaces) => {
      await refuseInputOverlap(spec.input, spec.output.path);
      await sink.check({ spec, jobId, adopt, ...(replaces === null ? {} : { replaces }) });
    },
    discardAtDestination: (spec, jobId) => sink.discard({ spec, jobId }),
    startTask: (request) => startTaskProcess(program, { managerUrl, storageRoot, scratch }, request),
    isProvablyDead,
    settings: {
      leaseMs: LEASE_MS,
      maxConcurrentJobs: MAX_CONCURRENT_JOBS,
      keepStagingMs: KEEP_STAGING_MS,
      workspaceKey: storage.keyOf(workspace),
      logFolder: folder.logs,
      worksOn: work ? 'submitted-here' : 'nothing',
    },
  });
  const server = createServer({ manager, tokens, clock: systemClock, log });
  opened.defer(async () => {
    server.server.closeAllConnections();
    await server.close();
  });
  managerUrl = await server.listen({ host: '127.0.0.1', port: 0 });
  opened.defer(() => manager.drain());
  await manager.start(managerUrl);

  const endpoint: Endpoint = {
    url: managerUrl,
    pid: process.pid,
    process: processIdentity(process.pid),
    token: tokens.issue({
      role: 'admin',
      tenant: EMBEDDED_TENANT,
      jobId: null,
      expiresMs: systemClock.nowMs() + ADMIN_TOKEN_MS,
    }),
  };
  writeEndpoint(folder, endpoint);

  const toClose = opened.move();
  let closing: Promise<void> | null = null;
  return {
    endpoint,
    diskFull: diskFull.signal,
    drain: () => manager.drain(),
    close() {
      removeEndpoint(folder);
      closing ??= toClose.disposeAsync();
      return closing;
    },
  };
}
