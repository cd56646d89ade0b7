import type { Transaction } from '../ledger/transaction.ts';
import { addModelVersion } from './add-version.ts';
import { modelBytesGone, unusedModelBytes } from './model-bytes.ts';
import type { Models } from './models.ts';
import { moveModelAlias } from './move-alias.ts';
import {
  modelAliasMoves,
  modelChoices,
  modelJobs,
  models,
  modelVersion,
  modelVersions,
} from './read-models.ts';
import { removeModelVersion } from './remove-version.ts';

export type ModelVerbName = keyof Models;

type Verbs = {
  readonly [Name in ModelVerbName]: (
    tx: Transaction,
    ...args: Parameters<Models[Name]>
  ) => ReturnType<Models[Name]>;
};

/** All verbs of the model registry. They run beside the ledger's, so their names differ from those. */
export const MODEL_VERBS: Verbs = {
  addModelVersion,
  modelChoices,
  modelVersion,
  modelVersions,
  models,
  moveModelAlias,
  modelAliasMoves,
  removeModelVersion,
  modelJobs,
  unusedModelBytes,
  modelBytesGone,
};

/** A model registry whose verbs are carried out by `call`. */
export function modelsOf(call: (verb: ModelVerbName, args: readonly unknown[]) => Promise<unknown>): Models {
  const names = Object.keys(MODEL_VERBS) as ModelVerbName[];
  return Object.fromEntries(
    names.map((name) => [name, (...args: unknown[]) => call(name, args)]),
  ) as unknown as Models;
}
