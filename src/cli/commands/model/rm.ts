import { Failure } from '../../../core/errors.ts';
import { parseModelReference } from '../../../core/model-reference.ts';
import type { Output } from '../../output.ts';
import { userName } from '../../user-name.ts';
import { withModels } from './with-models.ts';

/** Removes one version, which has to be named by its number: what an alias stands for may change under one's hands. */
export async function modelRmCommand(
  { reference, force }: { readonly reference: string; readonly force: boolean },
  state: string,
  output: Output,
): Promise<number> {
  const { name, selector } = parseModelReference(reference);
  if (selector === null || !('version' in selector)) {
    throw new Failure('USAGE', `${reference} does not name a version by its number.`, {
      next: `batchwright model show ${reference} tells which it is; then: batchwright model rm ${name}@<version>`,
    });
  }
  return withModels(state, async (models) => {
    const answer = await models.remove(name, selector.version, { force, by: userName() });
    const what = answer.removed ? 'is removed' : 'was removed before';
    const bytes = answer.bytes_kept
      ? 'Its bytes stay while another version or an unfinished job needs them.'
      : 'Its bytes are gone; what it was stays on record.';
    output.result(`${reference} ${what}. ${bytes}`, answer);
    return 0;
  });
}
