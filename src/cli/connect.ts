import { type BatchClient, createBatchClient, type JobClient } from '../client/batch-client.ts';
import { Failure } from '../core/errors.ts';
import type { EmbeddedManager } from './embedded-manager.ts';
import {
  type Endpoint,
  hasState,
  liveEndpoint,
  openStateFolder,
  readEndpoint,
  type StateFolder,
} from './state-folder.ts';
import { systemClock } from './system-ports.ts';
import { transportTo } from './transport-to.ts';

/** A way to the manager of a state folder: the live one of another process, or one that this process has started. */
export interface Connection {
  readonly client: BatchClient;
  readonly endpoint: Endpoint;
  /** The manager in this process; null when it is another's. */
  readonly embedded: EmbeddedManager | null;
  close(): Promise<void>;
}

/** A way to look at the jobs of a state folder, and to cancel them. */
export interface Look {
  readonly client: JobClient;
  /** Of the manager that answered first; null: no manager lives, the ledger was opened in this process. */
  readonly pid: number | null;
  close(): Promise<void>;
}

/** A manager that starts or stops holds the lock for a moment without answering. */
const PATIENCE_MS = 15_000;

/**
 * Talks to the live manager of a state folder, or becomes it and works on what is submitted or resumed. `config`: the configuration
 * file that this process would go by; a manager that lives already goes by its own.
 */
export async function connect(statePath: string, config: string | null = null): Promise<Connection> {
  const folder = openStateFolder(statePath);
  return reach<Connection>(
    folder,
    (endpoint) => ({
      client: clientOf(endpoint, 8),
      endpoint,
      embedded: null,
      close: async () => {},
    }),
    async () => {
      // Loaded when it is needed: server, schemas and engines are most of the program.
      const { openEmbeddedManager } = await import('./embedded-manager.ts');
      const embedded = await openEmbeddedManager(folder, { work: true, config });
      const { endpoint } = embedded;
      return { client: clientOf(endpoint, 8), endpoint, embedded, close: () => embedded.close() };
    },
  );
}

/**
 * Looks at the jobs of a state folder through its live manager, else in the ledger itself. Makes no state folder: fails
 * with JOB_NOT_FOUND where there is none.
 */
export async function look(statePath: string): Promise<Look> {
  if (!hasState(statePath)) {
    throw new Failure('JOB_NOT_FOUND', `No job was ever run here: there is no ledger in ${statePath}.`, {
      place: { file: statePath },
      next: 'Go to the folder in which the job was run, or name its state folder with --state.',
    });
  }
  const folder = openStateFolder(statePath);
  let way = await lookInto(folder);
  const ask = async <Answer>(question: (client: JobClient) => Promise<Answer>): Promise<Answer> => {
    for (let manager = 1; ; manager += 1) {
      try {
        return await question(way.client);
      } catch (error) {
        const silent = error instanceof Failure && error.code === 'MANAGER_UNREACHABLE';
        if (!silent || manager === MOST_MANAGERS) throw error;
      }
      // It was just going away, as that of a short command: what it knew is in the ledger.
      await way.close();
      way = await lookInto(folder);
    }
  };
  return {
    client: {
      status: (jobId) => ask((client) => client.status(jobId)),
      list: (filter) => ask((client) => client.list(filter)),
      detail: (jobId) => ask((client) => client.detail(jobId)),
      cancel: (jobId) => ask((client) => client.cancel(jobId)),
    },
    pid: way.pid,
    close: () => way.close(),
  };
}

/** Managers that may fall silent, one after the other, before that is said. */
const MOST_MANAGERS = 3;
/** Tries of one question: about a second. */
const LOOK_ATTEMPTS = 4;

function lookInto(folder: StateFolder): Promise<Look> {
  return reach<Look>(
    folder,
    (endpoint) => ({ client: clientOf(endpoint, LOOK_ATTEMPTS), pid: endpoint.pid, close: async () => {} }),
    async () => {
      const { openLedgerReader } = await import('./ledger-reader.ts');
      return { ...(await openLedgerReader(folder)), pid: null };
    },
  );
}

async function reach<Way>(
  folder: StateFolder,
  over: (endpoint: Endpoint) => Way,
  become: () => Promise<Way>,
): Promise<Way> {
  const deadline = systemClock.monotonicMs() + PATIENCE_MS;
  for (;;) {
    const endpoint = liveEndpoint(folder);
    if (endpoint !== null && (await answers(endpoint))) return over(endpoint);
    try {
      return await become();
    } catch (error) {
      const locked = error instanceof Failure && error.code === 'STATE_LOCKED';
      if (!locked || systemClock.monotonicMs() > deadline) throw locked ? lockedBy(folder, error) : error;
      await systemClock.sleep(100);
    }
  }
}

export function clientOf(endpoint: Endpoint, attempts: number): BatchClient {
  return createBatchClient(transportTo(endpoint, attempts));
}

async function answers(endpoint: Endpoint): Promise<boolean> {
  try {
    await clientOf(endpoint, 1).list({ limit: 1 });
    return true;
  } catch {
    return false;
  }
}

function lockedBy(folder: StateFolder, cause: Failure): Failure {
  const pid = readEndpoint(folder)?.pid;
  const who = pid === undefined ? 'another process' : `process ${pid}`;
  return new Failure('STATE_LOCKED', `${folder.path} is held by ${who}, which does not answer.`, {
    place: { file: folder.path },
    cause,
  });
}
