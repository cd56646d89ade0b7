import { expect, test } from 'vitest';
import { Failure } from '../core/errors.ts';
import type { WorkerContext } from '../core/wire.ts';
import type { DataEngine } from '../data/engine.ts';
import type { Session } from '../runtimes/runtime.ts';
import { runWorker, type WorkerDeps } from './worker.ts';

const CONTEXT = {
  batchSize: 10,
  bound: { binding: { inputs: [], outputs: [] }, signature: { inputs: [], outputs: [] } },
} as unknown as WorkerContext;

/** Starts, and then meets what `deps` says; tells whether the keeper's thread was let go, which would hold the process. */
async function outcomeOf(deps: Partial<WorkerDeps>): Promise<{ error: unknown; keeperClosed: boolean }> {
  let keeperClosed = false;
  const disposable = { async [Symbol.asyncDispose]() {} };
  const error = await runWorker({
    drain: new AbortController().signal,
    random: { bytes: (n) => new Uint8Array(n), float: () => 0 },
    link: {
      context: async () => ({ kind: 'context', context: CONTEXT }),
      claim: async () => {
        throw new Failure('DISK_FULL', 'No space is left for the state.');
      },
      startFailed: async () => {},
    },
    openEngine: async () => disposable as unknown as DataEngine,
    openSession: async () => disposable as unknown as Session,
    startKeeper: async () => ({
      hold: () => {
        throw new Error('no lease was given');
      },
      close: async () => {
        keeperClosed = true;
      },
    }),
    ...deps,
  } as WorkerDeps).catch((caught: unknown) => caught);
  return { error, keeperClosed };
}

test('a manager that refuses ends the worker whole, keeper included', async () => {
  expect(await outcomeOf({})).toMatchObject({ error: { code: 'DISK_FULL' }, keeperClosed: true });
});

test('a model that cannot be opened ends the worker whole, keeper included', async () => {
  const openSession = async () => {
    throw new Failure('MODEL_UNSUPPORTED', 'Nobody has Frobnicate.');
  };
  expect(await outcomeOf({ openSession })).toMatchObject({
    error: { code: 'MODEL_UNSUPPORTED' },
    keeperClosed: true,
  });
});
