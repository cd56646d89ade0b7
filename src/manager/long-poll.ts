import type { JobRow } from '../state/ledger/ledger.ts';
import type { ManagerDeps } from './manager-deps.ts';

/** How long a question for work is held before the answer is 'wait'. */
const LONG_POLL_MS = 1_000;
/** The ledger is looked at again so often, whether or not somebody said that something changed. */
const LOOK_EVERY_MS = 250;

export interface Poll<Answer> {
  readonly tenant: string;
  readonly jobId: string;
  /** Aborted when whoever asked is gone: a lease granted now would be held by nobody. */
  readonly gone: AbortSignal;
  /** There will never be work again for this kind of asker. */
  over(job: JobRow): boolean;
  /** Null: not now. */
  ask(job: JobRow): Promise<Answer | null>;
}

/** Asks until there is an answer, the job wants no more work, or the poll is over. */
export type LongPoll = <Answer>(
  poll: Poll<Answer>,
) => Promise<Answer | { readonly kind: 'wait' } | { readonly kind: 'done' }>;

export function createLongPoll(
  { ledger, clock, changes }: Pick<ManagerDeps, 'ledger' | 'clock' | 'changes'>,
  draining: () => boolean,
): LongPoll {
  return async ({ tenant, jobId, gone, over, ask }) => {
    const deadline = clock.monotonicMs() + LONG_POLL_MS;
    for (;;) {
      const left = deadline - clock.monotonicMs();
      const change = changes.next(jobId, Math.max(1, Math.min(left, LOOK_EVERY_MS)));
      const job = await ledger.job(tenant, jobId);
      if (job === null || draining() || over(job)) return { kind: 'done' };
      if (gone.aborted) return { kind: 'wait' };
      const answer = await ask(job);
      if (answer !== null) return answer;
      if (left <= 0) return { kind: 'wait' };
      await change;
    }
  };
}
