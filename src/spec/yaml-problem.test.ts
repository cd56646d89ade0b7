import { expect, test } from 'vitest';
import { Failure } from '../core/errors.ts';
import { readSpecDocument } from './spec-document.ts';

function refusal(text: string): Failure {
  try {
    readSpecDocument(text, 'job.yaml');
  } catch (error) {
    if (error instanceof Failure) return error;
    throw error;
  }
  throw new Error('was not refused');
}

test.each([
  [
    'a line indented too far',
    'model_id: m\ninput:\n  source: csv\n   path: a.csv\n',
    '4 |    path: a.csv\n  |    ^',
    /indented by 3 spaces, but line 3 has its value already; expected 2 spaces/,
  ],
  [
    'a line indented too far below one that is not indented',
    'model_id: m\n input:\n  path: a\n',
    '2 |  input:\n  |  ^',
    /expected 0 spaces/,
  ],
  [
    'a line not indented far enough',
    'input:\n  source: csv\n path: a.csv\n',
    '3 |  path: a.csv\n  |  ^',
    /by 1 space; expected 0 or 2/,
  ],
  ['a first line that is indented', '  model_id: m\ninput:\n  path: a\n', '2 | input:\n  | ^', /expected 2/],
  [
    'no space after a colon',
    'a: 1\npath:data.csv\nc: 2\n',
    '2 | path:data.csv\n  |      ^',
    /space is missing/,
  ],
  ['no colon', 'input:\n  source: csv\n  path a.csv\n', '3 |   path a.csv\n  |   ^', /key and a colon/],
  ['two colons', 'name: a: b\n', '1 | name: a: b\n  |        ^', /in quotes/],
  ['a bracket left open', 'a: 1\nb: [x, y\nc: 2\n', '2 | b: [x, y\n  |    ^', /expected \]/],
  ['a brace left open', 'a: 1\nb: { x: 1\n', '2 | b: { x: 1\n  |    ^', /expected \}/],
  ['a quote left open', 'a: 1\nb: "x\nc: 2\n', '2 | b: "x\n  |    ^', /expected another "/],
  ['a tab', 'a:\n\tb: 1\n', '2 |  b: 1\n  | ^', /tab; use spaces/],
  ['a sign that begins something else', 'a: @b\n', '1 | a: @b\n  |    ^', /begin with @; put it in quotes/],
  ['CRLF', 'a:\r\n  b: 1\r\n   c: 2\r\n', '3 |    c: 2\n  |    ^', /expected 2 spaces/],
  ['a list item out of line', 'f:\n  - a\n - b\n', '3 |  - b\n  |  ^', /by 1 space; expected 0 or 2/],
])('%s: the line to change is shown, with a mark and what was expected', (_, text, shown, what) => {
  const failure = refusal(text);
  expect(failure.code).toBe('SPEC_INVALID');
  expect(failure.details.join('\n')).toBe(shown);
  expect(failure.message).toMatch(what);
  expect(failure.message).toMatch(new RegExp(`^job.yaml:${Number.parseInt(shown, 10)}: .* is not YAML: `));
});

test('a long line is shown around the mark', () => {
  const { details } = refusal(`a: ${'x'.repeat(500)}: b\n`);
  expect(details[0]?.length).toBeLessThan(70);
  const mark = details[1]?.indexOf('^') ?? 0;
  expect(details[0]?.slice(mark, mark + 3)).toBe(': b');
});

test('a pattern that YAML takes for an alias is told to go into quotes', () => {
  expect(refusal('input:\n  path: *.csv\n').message).toMatch(/"\*\.csv"/);
});
