import { Failure } from '../../../core/errors.ts';
import type { ModelDetail } from '../../../core/model-wire.ts';
import { checkStoredFiles } from '../../../registry/embedded/stored-model.ts';
import { createLocalStorage } from '../../../storage/local.ts';
import { WHOLE_FILE_SYSTEM } from '../../embedded-manager.ts';
import { modelReport } from '../../model-report.ts';
import type { Output } from '../../output.ts';
import { withModels } from './with-models.ts';

export interface ShowOptions {
  readonly reference: string;
  /** Versions to list. */
  readonly limit: number;
  readonly before: number | null;
  /** Read the stored bytes and compare digests. */
  readonly check: boolean;
}

/** Shows a model, and the version that the reference means. With `check`, fails with MODEL_CORRUPT when its bytes are not right. */
export async function modelShowCommand(
  { reference, limit, before, check }: ShowOptions,
  state: string,
  output: Output,
): Promise<number> {
  return withModels(state, async (models) => {
    const detail = await models.show(reference, { limit, before });
    if (check) await checkBytes(reference, detail);
    output.result(modelReport(detail, { checked: check, width: output.width }), {
      model: detail,
      ...(check ? { checked: true } : {}),
    });
    return 0;
  });
}

async function checkBytes(reference: string, { selected }: ModelDetail): Promise<void> {
  if (selected === null || selected.removed_at !== null) {
    const why = selected === null ? 'does not say which version is meant' : 'was removed, with its bytes';
    throw new Failure('USAGE', `There is nothing to check: ${reference} ${why}.`, {
      next: 'Name a version that is there: batchwright model show churn@3 --check',
    });
  }
  await checkStoredFiles(selected, selected.files, createLocalStorage({ root: WHOLE_FILE_SYSTEM }));
}
