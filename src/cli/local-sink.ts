import { isProvablyDead, processIdentity } from '../compute/local/process-identity.ts';
import { createFilesSink } from '../sinks/files/files-sink.ts';
import type { Sink } from '../sinks/sink.ts';
import type { Storage } from '../storage/storage.ts';

/** Publishes files, in the name of this process. */
export function localSink(storage: Storage): Sink {
  return createFilesSink({
    storage,
    process: { identity: processIdentity(process.pid), isProvablyDead },
  });
}
