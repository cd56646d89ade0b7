import { findModel } from '../manager/models.ts';
import { byReference } from '../registry/by-reference.ts';
import { createEmbeddedRegistry } from '../registry/embedded/embedded-registry.ts';
import { createLocalRegistry } from '../registry/local/local-registry.ts';
import type { Registry } from '../registry/registry.ts';
import { runtimes } from '../runtimes/runtimes.ts';
import type { OpenLedger } from '../state/sqlite/open-ledger.ts';
import type { Storage } from '../storage/storage.ts';

/** Models by their path, or by the names that a ledger knows. */
export function registryOver(ledger: OpenLedger, storage: Storage): Registry {
  return byReference({
    files: createLocalRegistry({ companionsOf: runtimes.onnx.companions }),
    names: createEmbeddedRegistry({
      find: (tenant, reference) => findModel(tenant, reference, ledger.models),
      storage,
    }),
  });
}
