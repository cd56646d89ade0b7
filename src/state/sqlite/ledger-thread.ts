import { parentPort, workerData } from 'node:worker_threads';
import { Failure } from '../../core/errors.ts';
import { openVerbRunner, type VerbRunner } from './database.ts';
import type { FromThread, ToThread } from './thread-protocol.ts';

/** The ledger's own thread: here an fsync may take as long as it takes. What is not a Failure ends the thread. */
const port = parentPort;
if (port === null) throw new Error('this module runs in a worker thread');

let runner: VerbRunner | null = null;
try {
  runner = openVerbRunner((workerData as { file: string }).file);
  answer({ kind: 'open' });
} catch (error) {
  if (!(error instanceof Failure)) throw error;
  answer({ kind: 'refused', failure: error.toJSON() });
  port.close();
}

port.on('message', async (message: ToThread) => {
  if (runner === null) return;
  if (message.kind === 'close') {
    await runner.close();
    port.close();
    return;
  }
  try {
    const value = await runner.run(message.verb, message.args, message.seed);
    answer({ kind: 'done', id: message.id, value });
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    answer({ kind: 'failed', id: message.id, failure: error.toJSON() });
  }
});

function answer(message: FromThread): void {
  port?.postMessage(message);
}
