import { Failure, type FailureReport } from '../../core/errors.ts';
import type { Completion } from '../../core/lease.ts';

/** Why a job ends that has had more rejects than its limit, with some of them by key. */
export function overBudget(
  rejected: number,
  limit: number,
  samples: Completion['sampleRejects'],
): FailureReport {
  const shown = samples.map((reject) => `${reject.key} (${reject.code}: ${reject.message})`).join('; ');
  const examples = shown === '' ? '' : ` Among them: ${shown}.`;
  const records = rejected === 1 ? '1 record was' : `${rejected} records were`;
  const message = `${records} rejected and config.error_budget allows ${limit}.${examples}`;
  const first = samples[0];
  return new Failure(
    'ERROR_BUDGET_EXCEEDED',
    message,
    first === undefined ? {} : { place: { row: first.key } },
  ).toJSON();
}
