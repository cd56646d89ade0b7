import { type BatchClient, createBatchClient } from '../client/batch-client.ts';
import { Failure } from '../core/errors.ts';
import { type EmbeddedManager, openEmbeddedManager } from './embedded-manager.ts';
import { type Endpoint, openStateFolder, readEndpoint, type StateFolder } from './state-folder.ts';
import { systemClock } from './system-ports.ts';

/** A way to the manager of a state folder: the live one of another process, or one that this process has started. */
export interface Connection {
  readonly client: BatchClient;
  readonly endpoint: Endpoint;
  /** The manager in this process; null when it is another's. */
  readonly embedded: EmbeddedManager | null;
  close(): Promise<void>;
}

/** A manager that starts or stops holds the lock for a moment without answering. */
const PATIENCE_MS = 15_000;

/**
 * Talks to the live manager of a state folder, or becomes it. `work` false: only looks and answers questions, works on
 * no job.
 */
export async function connect(statePath: string, work: boolean): Promise<Connection> {
  const folder = openStateFolder(statePath);
  const deadline = systemClock.monotonicMs() + PATIENCE_MS;
  for (;;) {
    const endpoint = readEndpoint(folder);
    if (endpoint !== null && (await answers(endpoint))) {
      return { client: clientOf(endpoint, 8), endpoint, embedded: null, close: async () => {} };
    }
    try {
      const embedded = await openEmbeddedManager(folder, { work });
      return {
        client: clientOf(embedded.endpoint, 8),
        endpoint: embedded.endpoint,
        embedded,
        close: () => embedded.close(),
      };
    } catch (error) {
      const locked = error instanceof Failure && error.code === 'STATE_LOCKED';
      if (!locked || systemClock.monotonicMs() > deadline) throw locked ? lockedBy(folder, error) : error;
      await systemClock.sleep(100);
    }
  }
}

export function clientOf(endpoint: Endpoint, attempts: number): BatchClient {
  return createBatchClient({
    managerUrl: endpoint.url,
    token: endpoint.token,
    fetch: globalThis.fetch,
    sleep: (ms) => systemClock.sleep(ms),
    attempts,
  });
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
