import type { SubmitAnswer } from '../core/wire.ts';
import type { JobSpec } from '../spec/job-spec.ts';
import type { ManagerDeps } from './manager-deps.ts';

export type Estimate = Pick<SubmitAnswer, 'estimated_duration_minutes' | 'input_row_count'>;

/** What a submission may wait for its estimate. */
const PATIENCE_MS = 2_000;

/**
 * How many rows the job has, and how long it will take by what the latest completed jobs of the tenant with the very same
 * model took. Never a guess: null where nothing was measured, or the rows cannot be counted in two seconds.
 */
export async function estimate(
  tenant: string,
  spec: JobSpec,
  modelSha256: string,
  { ledger, clock, countRows }: Pick<ManagerDeps, 'ledger' | 'clock' | 'countRows'>,
): Promise<Estimate> {
  const enough = new AbortController();
  const late = clock.sleep(PATIENCE_MS, enough.signal).then(() => null);
  const counting = countRows(spec, enough.signal);
  const rows = await Promise.race([counting, late]);
  enough.abort();
  const measured = await ledger.throughput(tenant, modelSha256);
  return {
    input_row_count: rows,
    estimated_duration_minutes:
      rows === null || measured === null
        ? null
        : Math.ceil((measured.fixedMs + rows * measured.msPerRow) / 6_000) / 10,
  };
}
