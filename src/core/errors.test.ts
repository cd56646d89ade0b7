import { expect, test } from 'vitest';
import { asFailure, Failure, failureFromReport } from './errors.ts';

test('what is thrown without a code becomes INTERNAL, or the code of the edge, and keeps its cause', () => {
  const bug = new TypeError('x is not a function');
  expect(asFailure(bug)).toMatchObject({ code: 'INTERNAL', message: bug.message, cause: bug });
  expect(asFailure('text', 'STORAGE_FAILED')).toMatchObject({ code: 'STORAGE_FAILED', message: 'text' });
  const failure = new Failure('DISK_FULL', 'No space.');
  expect(asFailure(failure)).toBe(failure);
});

test('a failure is the same after it crossed a process, with what to do and each of its problems', () => {
  const problem = new Failure('SPEC_INVALID', 'b is wrong.', { place: { field: 'b', line: 3 } }).toJSON();
  const failure = new Failure('SPEC_INVALID', 'Two things are wrong.', {
    place: { file: 'job.yaml' },
    next: 'Correct them.',
    problems: [problem],
  });
  const crossed = failureFromReport(JSON.parse(JSON.stringify(failure)));
  expect(crossed.toJSON()).toEqual(failure.toJSON());
});
