import { isModelPath } from '../core/model-reference.ts';
import type { Registry } from './registry.ts';

/** References that are paths go to `files`, names to `names`. */
export function byReference({
  files,
  names,
}: {
  readonly files: Registry;
  readonly names: Registry;
}): Registry {
  const registryOf = (reference: string) => (isModelPath(reference) ? files : names);
  return {
    resolve: (tenant, reference) => registryOf(reference).resolve(tenant, reference),
    fetch: (model, store, storage) => registryOf(model.reference).fetch(model, store, storage),
    checkUnchanged: (pinned) => registryOf(pinned.reference).checkUnchanged(pinned),
  };
}
