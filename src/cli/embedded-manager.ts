import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import type { Compute } from '../compute/compute.ts';
import { createLocalCompute } from '../compute/local/local-compute.ts';
import { isProvablyDead, processIdentity } from '../compute/local/process-identity.ts';
import { Failure } from '../core/errors.ts';
import { createServer, type ServerDeps } from '../http/server.ts';
import { createChanges } from '../manager/changes.ts';
import type { KeyService } from '../manager/keys.ts';
import { createManager } from '../manager/manager.ts';
import { createTokens } from '../manager/tokens.ts';
import { openFileLog } from '../observe/log.ts';
import { createMetrics } from '../observe/metrics.ts';
import { checkNamedColumns } from '../sources/check-named-columns.ts';
import { countInputRows } from '../sources/files/count-input-rows.ts';
import { identifyRepaired } from '../sources/files/identify-repaired.ts';
import { checkPreparedUnchanged, refuseInputOverlap } from '../sources/prepare.ts';
import { sources } from '../sources/sources.ts';
import { resolveServerSettings, type ServerSettings, storageRootsOf } from '../spec/server-settings.ts';
import { acquireManagerLock } from '../state/sqlite/manager-lock.ts';
import { openLedger } from '../state/sqlite/open-ledger.ts';
import { errnoOf } from '../storage/fs-failure.ts';
import { createLocalStorage } from '../storage/local.ts';
import { createPathFence } from '../storage/path-fence.ts';
import { databaseEnvironment } from './config-file.ts';
import { createJobFiles } from './job-file-export.ts';
import { localSink } from './local-sink.ts';
import { createModelUploads } from './model-upload.ts';
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
import { version } from './version.ts';

/** A manager inside this process, on a free port of the loopback interface. */
export interface EmbeddedManager {
  readonly endpoint: Endpoint;
  /** Where others find it; null: it serves this machine's own processes only. */
  readonly publicUrl: string | null;
  readonly keys: KeyService;
  /** Aborted, with the failure, when the disk of the state folder is full: no job goes on until there is space. */
  readonly diskFull: AbortSignal;
  /** Hands all work back; questions are still answered. Safe to call twice. */
  drain(): Promise<void>;
  /** Drains, stops everything, lets go of the state folder. Safe to call twice. */
  close(): Promise<void>;
}

const ADMIN_TOKEN_MS = 365 * 24 * 3_600_000;
const LEASE_MS = 10_000;
/** Of a manager inside `batchwright run`. */
const EMBEDDED_SETTINGS = resolveServerSettings({
  file: null,
  environment: {},
  flags: {},
  folder: '/',
}).settings;
/** On one machine inputs, models and outputs lie wherever the user says. */
export const WHOLE_FILE_SYSTEM = '/';

export interface EmbeddedOptions {
  /** False: answers questions about jobs, but works on none. */
  readonly work: boolean;
  /** Default: the whole file system. */
  readonly storageRoot?: string;
  /** Absolute path, inside the storage, for workspaces and models. Default: in the state folder. */
  readonly workspace?: string;
  /** The configuration file. Default, and null: there is none. */
  readonly config?: string | null;
  /** Default: one worker process for each core. */
  readonly compute?: Compute;
  /** A server's: works on all jobs, and listens for others too. Absent: for this machine's own processes only. */
  readonly service?: ServiceOptions;
}

export interface ServiceOptions {
  readonly settings: ServerSettings;
  readonly tls: { readonly cert: Buffer; readonly key: Buffer } | null;
}

/** Fails with STATE_LOCKED when another process is the manager of this folder. */
export async function openEmbeddedManager(
  folder: StateFolder,
  options: EmbeddedOptions,
): Promise<EmbeddedManager> {
  const {
    work,
    config = null,
    storageRoot = WHOLE_FILE_SYSTEM,
    workspace = folder.workspace,
    service,
  } = options;
  const settings = service?.settings ?? EMBEDDED_SETTINGS;
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
    tenants: ledger.tenants,
    metrics: createMetrics(),
    countRows: ({ input }, signal) => countInputRows(input, signal),
    fence: createPathFence((tenant) => storageRootsOf(tenant, settings), [folder.path, workspace]),
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
    startTask: (request) =>
      startTaskProcess(
        program,
        { managerUrl, storageRoot, scratch, environment: databaseEnvironment(config) },
        request,
      ),
    isProvablyDead,
    settings: {
      leaseMs: LEASE_MS,
      maxConcurrentJobs: settings.max_concurrent_jobs,
      maxInputRows: service === undefined ? null : settings.max_input_rows,
      keepStagingMs: settings.result_ttl_hours * 3_600_000,
      workspaceKey: storage.keyOf(workspace),
      logFolder: folder.logs,
      worksOn: service !== undefined ? 'all' : work ? 'submitted-here' : 'nothing',
    },
  });
  const serverDeps: ServerDeps = {
    manager,
    tokens,
    clock: systemClock,
    log,
    files: createJobFiles({
      storage,
      settings: { workspaceKey: storage.keyOf(workspace) },
      program,
      scratch,
    }),
    uploads: createModelUploads({ storage, workspaceKey: storage.keyOf(workspace), scratch }),
    version: version(),
    folderOf: ({ tenant, fenced }) => (fenced ? storageRootsOf(tenant, settings)[0] : undefined) ?? '/',
    limits: {
      defaultParallelism: settings.default_parallelism,
      keepMs: settings.result_ttl_hours * 3_600_000,
      requestsPerMinute: settings.requests_per_minute,
      maxBodyBytes: settings.max_body_mb * 2 ** 20,
      maxModelBytes: settings.max_model_mb * 2 ** 20,
      bodyTimeoutMs: settings.request_timeout_seconds * 1_000,
    },
  };
  const listen = async (server: FastifyInstance, host: string, port: number) => {
    opened.defer(async () => {
      server.server.closeAllConnections();
      await server.close();
    });
    return listening(server, host, port);
  };
  // Workers, tasks and commands on this machine have a door of their own, whatever others come in by.
  managerUrl = await listen(await createServer(serverDeps), '127.0.0.1', 0);
  const publicUrl =
    service === undefined
      ? null
      : await listen(await createServer(serverDeps, service.tls), settings.host, settings.port);
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
    publicUrl,
    keys: manager.keys,
    diskFull: diskFull.signal,
    drain: () => manager.drain(),
    close() {
      removeEndpoint(folder);
      closing ??= toClose.disposeAsync();
      return closing;
    },
  };
}

/** Fails with SETTING_INVALID when the address cannot be listened on. */
async function listening(server: FastifyInstance, host: string, port: number): Promise<string> {
  try {
    return await server.listen({ host, port });
  } catch (error) {
    const code = errnoOf(error);
    throw new Failure(
      'SETTING_INVALID',
      code === 'EADDRINUSE'
        ? `Another program listens on ${host}:${port}.`
        : `${host}:${port} cannot be listened on (${code}).`,
      { next: 'Choose another --host or --port.', cause: error },
    );
  }
}
