import { join, resolve } from 'node:path';
import type { PinnedModel } from '../../core/bound.ts';
import { isModelPath } from '../../core/model-reference.ts';
import type { ModelSignature } from '../../core/signature.ts';
import { registryStoreOf } from '../../manager/layout.ts';
import { hashedCompanions } from '../../registry/model-bytes.ts';
import type { Registry, ResolvedModel } from '../../registry/registry.ts';
import { runtimes } from '../../runtimes/runtimes.ts';
import type { JobSpec } from '../../spec/job-spec.ts';
import type { Storage } from '../../storage/storage.ts';
import { EMBEDDED_TENANT } from '../state-folder.ts';
import type { CheckedModel } from './check-result.ts';

export interface LookedAtModel {
  readonly resolved: ResolvedModel;
  readonly pinned: PinnedModel;
  readonly signature: ModelSignature;
}

/** The model where it lies: nothing is copied, and it is not loaded here. */
export async function lookAtModel(
  { model_id }: Pick<JobSpec, 'model_id'>,
  registry: Registry,
  state: string,
  storage: Storage,
): Promise<LookedAtModel> {
  const resolved = await registry.resolve(EMBEDDED_TENANT, model_id);
  const { reference, sha256 } = resolved;
  const store = registryStoreOf(
    { workspaceKey: storage.keyOf(join(resolve(state), 'workspace')) },
    EMBEDDED_TENANT,
  );
  const pinned = isModelPath(reference)
    ? {
        reference,
        key: storage.keyOf(reference),
        sha256,
        companions: await hashedCompanions(reference, runtimes.onnx.companions),
      }
    : await registry.fetch(resolved, store, storage);
  const signature = await runtimes.onnx.inspect({ path: await storage.localPath(pinned.key), sha256 });
  return { resolved, pinned, signature };
}

export function describeModel(reference: string, { pinned }: LookedAtModel): CheckedModel {
  const { sha256, registered } = pinned;
  if (registered === undefined) return { reference, sha256, registered: null };
  const { name, version, alias } = registered;
  return { reference, sha256, registered: { name, version, alias } };
}
