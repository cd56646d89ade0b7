import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { ModelCompanion } from '../../core/bound.ts';
import { Failure } from '../../core/errors.ts';
import { fileSha256 } from '../../storage/file-sha256.ts';
import { didYouMean } from '../../storage/similar-file.ts';
import type { Storage } from '../../storage/storage.ts';
import type { Registry } from '../registry.ts';

export interface LocalRegistryOptions {
  /** Names, relative to the model's folder, of the files of external data that a model refers to; refuses unsafe ones. */
  readonly companionsOf: (modelPath: string) => Promise<readonly { name: string; sizeBytes: number }[]>;
}

/** Models that are files on this machine: the reference is an absolute path. */
export function createLocalRegistry({ companionsOf }: LocalRegistryOptions): Registry {
  return {
    async resolve(reference) {
      return { reference, sha256: await sha256OfFile(reference) };
    },

    async fetch(model, store, storage) {
      const companions: ModelCompanion[] = [];
      for (const { name, sizeBytes } of await companionsOf(model.reference)) {
        companions.push({
          name,
          sizeBytes,
          sha256: await sha256OfFile(join(dirname(model.reference), name)),
        });
      }
      const folder = `${store}/${folderName(model.sha256, companions)}`;
      const key = `${folder}/${basename(model.reference)}`;
      await copy(model.reference, key, model.sha256, storage);
      for (const { name, sha256 } of companions) {
        await copy(join(dirname(model.reference), name), `${folder}/${name}`, sha256, storage);
      }
      return { reference: model.reference, key, sha256: model.sha256, companions };
    },

    async checkUnchanged(pinned) {
      const files = [
        { path: pinned.reference, sha256: pinned.sha256 },
        ...pinned.companions.map(({ name, sha256 }) => ({
          path: join(dirname(pinned.reference), name),
          sha256,
        })),
      ];
      for (const { path, sha256 } of files) {
        if ((await sha256OfFile(path)) !== sha256) throw changed(path);
      }
    },
  };
}

export async function sha256OfFile(path: string): Promise<string> {
  let sha256 = '';
  await reading(path, async () => {
    await using file = await open(path);
    ({ sha256 } = await fileSha256(file));
  });
  return sha256;
}

/** The digest; with external data, also a digest of that: the same graph may come with other weights. */
function folderName(sha256: string, companions: readonly ModelCompanion[]): string {
  if (companions.length === 0) return sha256;
  const weights = createHash('sha256').update(JSON.stringify(companions)).digest('hex');
  return `${sha256}-${weights.slice(0, 16)}`;
}

/** Copies a file into the storage, unless it is there; fails with MODEL_CHANGED if its bytes are others than expected. */
async function copy(path: string, key: string, expected: string, storage: Storage): Promise<void> {
  if ((await storage.stat(key)) !== null) return;
  const staged = await storage.stage(key);
  try {
    await reading(path, () =>
      pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), createWriteStream(staged.path)),
    );
    if ((await sha256OfFile(staged.path)) !== expected) throw changed(path);
    await staged.seal();
  } catch (error) {
    await staged.discard();
    throw error;
  }
}

async function reading(path: string, work: () => Promise<void>): Promise<void> {
  try {
    if (!(await stat(path)).isFile())
      throw new Failure('MODEL_NOT_FOUND', `${path} is not a file.`, { place: { file: path } });
    await work();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') {
      throw new Failure('MODEL_NOT_FOUND', `There is no model at ${path}${didYouMean(path) || '.'}`, {
        place: { file: path, field: 'model_id' },
        cause: error,
      });
    }
    if (code === 'EACCES' || code === 'EPERM') {
      throw new Failure('MODEL_NOT_FOUND', `The model ${path} may not be read (${code}).`, {
        place: { file: path, field: 'model_id' },
        cause: error,
      });
    }
    throw error;
  }
}

function changed(path: string): Failure {
  return new Failure('MODEL_CHANGED', `${path} is not the file that the job was submitted with.`, {
    place: { file: path, field: 'model_id' },
  });
}
