import { expect, test } from 'vitest';
import { checkResult, closingLine, testResult } from './test-summary.ts';

const green = {
  numPassedTests: 5,
  numFailedTests: 0,
  numPendingTests: 0,
  numTodoTests: 0,
  testResults: [{ status: 'passed', assertionResults: [{}, {}, {}, {}, {}] }],
};

test('passed tests and static checks add up to the closing line', () => {
  const results = [checkResult(0), checkResult(0), testResult(green, 0)];
  expect(closingLine(results, true)).toEqual({ line: '7 passed, 0 failed', failed: false });
});

test('a static check that fails, or is killed, fails the run', () => {
  expect(closingLine([checkResult(1), testResult(green, 0)], false).failed).toBe(true);
  expect(closingLine([checkResult(null), testResult(green, 0)], false).failed).toBe(true);
});

test('a test file that cannot even be loaded is not overlooked', () => {
  const broken = {
    ...green,
    testResults: [...green.testResults, { status: 'failed', assertionResults: [] }],
  };
  expect(closingLine([testResult(broken, 1)], false)).toEqual({ line: '5 passed, 1 failed', failed: true });
  const brokenBesideRed = { ...broken, numFailedTests: 1 };
  expect(closingLine([testResult(brokenBesideRed, 1)], false).line).toBe('5 passed, 2 failed');
});

test('a runner that crashes, reports nothing or runs nothing is not taken for green', () => {
  expect(testResult(null, 0).failed).toBe(1);
  expect(testResult(green, 1).failed).toBe(1);
  expect(testResult(green, null).failed).toBe(1);
  expect(testResult({ ...green, numPassedTests: 0, testResults: [] }, 0).failed).toBe(1);
});

test('a failed test is counted once, although the exit code says so too', () => {
  const red = { ...green, numPassedTests: 4, numFailedTests: 1 };
  expect(closingLine([testResult(red, 1)], false)).toEqual({ line: '4 passed, 1 failed', failed: true });
});

test('a skipped test is named on a laptop and fails CI', () => {
  const skipping = { ...green, numPendingTests: 2, numTodoTests: 1 };
  expect(closingLine([testResult(skipping, 0)], false)).toEqual({
    line: '5 passed, 0 failed, 3 skipped',
    failed: false,
  });
  expect(closingLine([testResult(skipping, 0)], true)).toEqual({ line: '5 passed, 3 failed', failed: true });
});
