import { Failure, type FailureReport } from '../../core/errors.ts';

/** What a look has found wrong so far. It goes on after a problem wherever more can be told. */
export interface Findings {
  /** What keeps the job from completing, each once, in the order in which it was found. */
  readonly problems: ReadonlyMap<string, FailureReport>;
  /** What should be known, and keeps it from nothing. */
  readonly warnings: string[];
  refuse(failure: Failure): void;
  /** Null: it failed, and that is among the problems. Throws only what is no `Failure`. */
  attempt<Value>(work: () => Value | Promise<Value>): Promise<Value | null>;
}

export function createFindings(): Findings {
  const problems = new Map<string, FailureReport>();
  const refuse = (failure: Failure): void => {
    const all = failure.problems.length > 0 ? failure.problems : [failure.toJSON()];
    for (const problem of all) problems.set(`${problem.code} ${problem.message}`, problem);
  };
  return {
    problems,
    warnings: [],
    refuse,
    async attempt(work) {
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof Failure)) throw error;
        refuse(error);
        return null;
      }
    },
  };
}
