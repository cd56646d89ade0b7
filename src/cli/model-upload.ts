import { createHash, randomBytes } from 'node:crypto';
import { createWriteStream, existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { processIdentity } from '../compute/local/process-identity.ts';
import { Failure } from '../core/errors.ts';
import { registryStoreOf } from '../manager/layout.ts';
import type { ModelUploads } from '../manager/model-uploads.ts';
import { importModel } from '../registry/embedded/import-model.ts';
import { runtimes } from '../runtimes/runtimes.ts';
import type { Storage } from '../storage/storage.ts';

/** One step of a path, and no bookkeeping of ours. */
const FILE_NAME = /^[^/\\\0\p{Cc}\p{Cs}:]{1,200}$/u;

/**
 * Uploads go to a folder of their own below `scratch`, and from there into the store of the tenant, as `model add` does it. What
 * a killed server leaves behind is removed when the next one starts.
 */
export function createModelUploads({
  storage,
  workspaceKey,
  scratch,
}: {
  readonly storage: Storage;
  readonly workspaceKey: string;
  readonly scratch: string;
}): ModelUploads {
  return {
    async begin(tenant) {
      // Named like the scratch folder of this process, and so removed when it is certainly gone.
      const own = `batchwright-${processIdentity(process.pid).replaceAll(':', '+')}`;
      const folder = join(scratch, own, randomBytes(8).toString('hex'));
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      return {
        async put(name, bytes) {
          const path = join(folder, name);
          if (!FILE_NAME.test(name) || name === '.' || name === '..' || existsSync(path)) {
            bytes.resume();
            throw new Failure(
              'REQUEST_INVALID',
              `${JSON.stringify(name.slice(0, 80))} is no name for a file of a model, or stands twice.`,
              { place: { field: 'filename' } },
            );
          }
          const hash = createHash('sha256');
          let sizeBytes = 0;
          const counted = new Transform({
            transform(chunk: Buffer, _encoding, done) {
              hash.update(chunk);
              sizeBytes += chunk.length;
              done(null, chunk);
            },
          });
          await pipeline(bytes, counted, createWriteStream(path, { flags: 'wx' }));
          return { sha256: hash.digest('hex'), sizeBytes };
        },
        finish: (main) =>
          importModel(join(folder, main), registryStoreOf({ workspaceKey }, tenant), {
            storage,
            companionsOf: runtimes.onnx.companions,
            inspect: (path, sha256) => runtimes.onnx.inspect({ path, sha256 }),
          }),
        async discard() {
          rmSync(folder, { recursive: true, force: true });
        },
      };
    },
  };
}
