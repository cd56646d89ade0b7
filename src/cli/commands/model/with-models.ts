import { createModelClient, type ModelClient } from '../../../client/model-client.ts';
import { withManager } from '../../with-manager.ts';

/** Runs `work`, which may be repeated, against the model registry of a state folder. */
export function withModels<Result>(
  state: string,
  work: (models: ModelClient) => Promise<Result>,
): Promise<Result> {
  return withManager(state, (to) => work(createModelClient(to)));
}
