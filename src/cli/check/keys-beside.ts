import type { BoundJob } from '../../core/bound.ts';
import type { KeyCandidates } from '../../data/key-candidates.ts';
import type { Storage } from '../../storage/storage.ts';
import { hasKeyName } from '../key-names.ts';
import { keysByValue } from '../likely-keys.ts';
import type { LookedAtInput } from './look-at-input.ts';

/** What could be named as the key, what has the name of one first; features are none. */
export async function keysBeside(
  bound: BoundJob | undefined,
  { snapshot }: LookedAtInput,
  storage: Storage,
): Promise<KeyCandidates> {
  const { columns, rows } = await keysByValue(snapshot, storage);
  const features = new Set(bound?.binding.inputs.flatMap((input) => input.columns));
  const free = columns.filter((name) => !features.has(name));
  return { columns: [...free.filter(hasKeyName), ...free.filter((name) => !hasKeyName(name))], rows };
}
