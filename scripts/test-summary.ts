/** Outcome of one step of the test run: a static check counts as one, a test runner as many as it ran. */
export interface StepResult {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** The part of vitest's JSON report that is read here. */
interface TestReport {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly testResults: readonly { readonly status: string; readonly assertionResults: readonly unknown[] }[];
}

export function checkResult(exitCode: number | null): StepResult {
  return exitCode === 0 ? { passed: 1, failed: 0, skipped: 0 } : { passed: 0, failed: 1, skipped: 0 };
}

/**
 * Counts a run of vitest from its JSON report; null: the run ended without one.
 *
 * A test file that fails before its tests exist (an import that throws) counts as one failure, and so does an exit code
 * that no counted failure explains (an unhandled rejection, a crashed worker). So does a run of no tests at all.
 */
export function testResult(report: TestReport | null, exitCode: number | null): StepResult {
  if (report === null) return { passed: 0, failed: 1, skipped: 0 };
  const passed = report.numPassedTests;
  const brokenFiles = report.testResults.filter(
    (file) => file.status === 'failed' && file.assertionResults.length === 0,
  );
  const failed = report.numFailedTests + brokenFiles.length;
  const unexplained = failed === 0 && (exitCode !== 0 || passed === 0);
  return {
    passed,
    failed: unexplained ? 1 : failed,
    skipped: report.numPendingTests + report.numTodoTests,
  };
}

/**
 * The closing line, and whether the run as a whole failed. With `skippedFails` (in CI, where everything a test needs is
 * expected to be there) a skipped test is a failed one.
 */
export function closingLine(
  results: readonly StepResult[],
  skippedFails: boolean,
): { readonly line: string; readonly failed: boolean } {
  const sum = (count: (result: StepResult) => number) =>
    results.reduce((total, result) => total + count(result), 0);
  const skipped = sum((result) => result.skipped);
  const failed = sum((result) => result.failed) + (skippedFails ? skipped : 0);
  const suffix = skipped > 0 && !skippedFails ? `, ${skipped} skipped` : '';
  return { line: `${sum((result) => result.passed)} passed, ${failed} failed${suffix}`, failed: failed > 0 };
}
