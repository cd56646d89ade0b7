import { type ModelReference, parseModelReference } from '../../core/model-reference.ts';
import type { Storage } from '../../storage/storage.ts';
import type { ModelFetcher, RegisteredModel, Registry } from '../registry.ts';
import { checkStoredFiles, storedFiles } from './stored-model.ts';

export interface EmbeddedRegistryDeps {
  /** Fails with MODEL_NOT_FOUND or MODEL_AMBIGUOUS. */
  readonly find: (tenant: string, reference: ModelReference) => Promise<RegisteredModel>;
  readonly storage: Storage;
}

/** Models that were added to our own registry: `churn`, `churn@3`, `churn@champion`. Their versions never change. */
export function createEmbeddedRegistry({ find, storage }: EmbeddedRegistryDeps): Registry {
  return {
    async resolve(tenant, reference) {
      const registered = await find(tenant, parseModelReference(reference));
      return { reference, sha256: registered.model.bytes.sha256, registered };
    },

    fetch: embeddedFetcher.fetch,

    async checkUnchanged({ reference, key, sha256, companions, registered }) {
      if (registered === undefined) throw new Error(`${reference} is no model of the registry`);
      const folder = key.slice(0, key.lastIndexOf('/'));
      const others = companions.map((companion) => ({ ...companion, key: `${folder}/${companion.name}` }));
      await checkStoredFiles(registered, [{ key, sha256 }, ...others], storage);
    },
  };
}

/** The files lie where they were put when the version was added: they are checked, not copied. */
export const embeddedFetcher: ModelFetcher = {
  async fetch({ reference, registered }, store, storage) {
    if (registered === null) throw new Error(`${reference} is no model of the registry`);
    const { model, alias } = registered;
    const files = storedFiles(store, model.bytes);
    await checkStoredFiles(model, files, storage);
    return {
      reference,
      key: files[0].key,
      sha256: model.bytes.sha256,
      companions: model.bytes.companions,
      registered: {
        name: model.name,
        version: model.version,
        alias,
        ...(model.contract.features === undefined ? {} : { features: model.contract.features }),
      },
    };
  },
};
