import { basename, dirname, join } from 'node:path';
import { Failure } from '../../core/errors.ts';
import { modelFolder } from '../../core/model-version.ts';
import {
  type CompanionsOf,
  copyModelFile,
  hashedCompanions,
  modelChanged,
  sha256OfFile,
} from '../model-bytes.ts';
import type { Registry } from '../registry.ts';

export interface LocalRegistryOptions {
  readonly companionsOf: CompanionsOf;
}

/** Models that are files on this machine: the reference is an absolute path. Fetching copies them into a folder named by digest. */
export function createLocalRegistry({ companionsOf }: LocalRegistryOptions): Registry {
  return {
    async resolve(_tenant, reference) {
      const sha256 = await sha256OfFile(reference);
      if (!/\.onnx$/i.test(reference)) {
        throw new Failure('SPEC_NOT_BUILT', `${reference} is a file, but no .onnx file.`, {
          place: { file: reference, field: 'model_id' },
          next: 'Give the path of an .onnx file, or the name of a model in the registry.',
        });
      }
      return { reference, sha256, registered: null };
    },

    async fetch({ reference, sha256 }, store, storage) {
      const companions = await hashedCompanions(reference, companionsOf);
      const folder = `${store}/${modelFolder({ sha256, companions })}`;
      const key = `${folder}/${basename(reference)}`;
      await copyModelFile(reference, key, sha256, storage);
      for (const companion of companions) {
        const path = join(dirname(reference), companion.name);
        await copyModelFile(path, `${folder}/${companion.name}`, companion.sha256, storage);
      }
      return { reference, key, sha256, companions };
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
        if ((await sha256OfFile(path)) !== sha256) throw modelChanged(path);
      }
    },
  };
}
