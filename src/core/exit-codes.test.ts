import { expect, test } from 'vitest';
import { ERROR_CODES, type ErrorCode } from './error-codes.ts';
import { EXIT_CODES, exitCodeOf } from './exit-codes.ts';

test('no error ends a command with 0, or with a code that is not documented', () => {
  for (const code of Object.keys(ERROR_CODES) as ErrorCode[]) {
    const exit = exitCodeOf(code);
    expect(exit, code).not.toBe(0);
    expect(Object.keys(EXIT_CODES), code).toContain(String(exit));
  }
});

test.each([
  ['SPEC_UNKNOWN_KEY', 2],
  ['USAGE', 2],
  ['COLUMN_MISSING', 2],
  ['ERROR_BUDGET_EXCEEDED', 1],
  ['DISK_FULL', 1],
  ['SOURCE_CHANGED', 6],
  ['MODEL_CHANGED', 6],
  ['VERIFY_PART_CHANGED', 4],
  ['VERIFY_FOREIGN_KEY', 5],
] as const)('scripts can rely on it: %s exits with %i', (code, exit) => {
  expect(exitCodeOf(code)).toBe(exit);
});
