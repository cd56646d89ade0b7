import fc from 'fast-check';

/**
 * Shrinking a counterexample of a nested array can take hundreds of thousands of runs, all in one synchronous call that
 * no test timeout ends. After this time fast-check reports the smallest one found so far.
 */
const LONGEST_PROPERTY_MS = 120_000;

fc.configureGlobal({ interruptAfterTimeLimit: LONGEST_PROPERTY_MS, markInterruptAsFailure: true });
