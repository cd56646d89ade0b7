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

test('lines are those of the file, for keys, list items and what is not there', () => {
  const { value, lineOf } = readSpecDocument(
    '# comment\nmodel_id: m.onnx\ninput:\n  path:\n    - a\n    - b\n',
    'job.yaml',
  );
  expect(value).toEqual({ model_id: 'm.onnx', input: { path: ['a', 'b'] } });
  expect(lineOf(['model_id'])).toBe(2);
  expect(lineOf(['input', 'path', 1])).toBe(6);
  expect(lineOf(['input', 'key'])).toBe(3);
  expect(lineOf(['nowhere'])).toBe(2);
});

test('JSON is read as it is, also in one line', () => {
  const text = JSON.stringify({
    a: Array.from({ length: 500 }, (_, i) => ({ [`k${i}`]: i, b: { c: 'x: [[{{' } })),
  });
  expect(readSpecDocument(text).value).toEqual(JSON.parse(text));
});

test('words that other YAML readers take for truth values or dates stay text', () => {
  expect(readSpecDocument('a: yes\nb: 2024-01-01\nc: 1_000').value).toEqual({
    a: 'yes',
    b: '2024-01-01',
    c: '1_000',
  });
});

test('the key `null` is text, as `input.null` is called', () => {
  expect(readSpecDocument('null: [n/a, ""]').value).toEqual({ null: ['n/a', ''] });
});

test('a byte order mark and CRLF do not matter', () => {
  expect(readSpecDocument('\ufeffa: 1\r\nb: 2\r\n').value).toEqual({ a: 1, b: 2 });
});

test.each([
  ['a key that stands twice', 'a: 1\nb: 2\na: 3', 3, /key a twice, first in line 1/],
  ['a key that stands twice in JSON', '{"a": 1,\n "a": 2}', 2, /key a twice/],
  ['an alias', 'a: b\nc: *x', 2, /alias/],
  ['an anchor', 'a: &x 1', 1, /anchor &x/],
  ['a merge key', 'a: 1\n<<: {b: 1}', 2, /<</],
  ['a tag', 'a: 1\nb: !!binary aGk=', 2, /tag !!binary/],
  ['an unknown tag', 'a: !ruby/object:Gem {}', 1, /tag !ruby/],
  ['a tag on a key', '!!str a: 1', 1, /./],
  ['the key __proto__', 'a: 1\n__proto__: {admin: true}', 2, /__proto__/],
  ['nothing as key', '~: a', 1, /not plain text/],
  ['a number as key', '1: a', 1, /not plain text/],
  ['a list as key', '? [a]\n: 1', 1, /not plain text/],
  ['two documents', 'a: 1\n---\nb: 2', 2, /more than one document/],
  ['a directive that changes what words mean', '%YAML 1.1\n---\na: yes', 1, /directive/],
  ['an unclosed bracket', 'a: [1, 2', 1, /not YAML/],
  ['a tab as indentation', 'a:\n\tb: 1', 2, /not YAML/],
] as const)('%s is refused with its line', (_, text, line, message) => {
  const failure = refusal(text);
  expect(failure.code).toBe('SPEC_INVALID');
  expect(failure.message).toMatch(message);
  expect(failure.message).toContain(`job.yaml:${line}:`);
  expect(failure.place).toMatchObject({ file: 'job.yaml', line });
});

test.each(['', '\n\n', '# only a comment\n'])('an empty file is said to be empty', (text) => {
  expect(refusal(text).message).toMatch(/empty|not/);
});

test('nesting by indentation is limited as any other', () => {
  const text = Array.from({ length: 100 }, (_, i) => `${' '.repeat(i)}a:`).join('\n');
  expect(refusal(text).message).toMatch(/levels deep/);
});

test('several problems are told at once', () => {
  const { problems } = refusal('a: &x 1\nb: *x\na: 2\n');
  expect(problems.map((problem) => problem.place.line)).toEqual([1, 2, 3]);
});

const laughs = [
  'a: &a [x,x,x,x,x,x,x,x,x]',
  ...Array.from(
    { length: 20 },
    (_, i) =>
      `b${i}: &b${i} [${Array(9)
        .fill(`*${i === 0 ? 'a' : `b${i - 1}`}`)
        .join()}]`,
  ),
];
const MiB = 2 ** 20;

test.each([
  ['ten megabytes', `a: ${'x'.repeat(10 * MiB)}`],
  ['a million laughs', laughs.join('\n')],
  ['brackets 200,000 deep', '['.repeat(200_000)],
  ['mappings 100,000 deep', '{a: '.repeat(100_000)],
  ['lists in lists in one line', '- '.repeat(200_000)],
  ['complex keys in one line', '? '.repeat(200_000)],
  ['colons in one line', 'a: '.repeat(100_000)],
  ['indentation 1,000 deep', Array.from({ length: 1_000 }, (_, i) => `${' '.repeat(i)}a:`).join('\n')],
  ['200,000 list items', `a:\n${'- 1\n'.repeat(200_000)}`],
  ['the same key 100,000 times', 'a: 1\n'.repeat(100_000)],
  ['50,000 documents', '---\n'.repeat(50_000)],
  ['an endless run of tags', '!a '.repeat(100_000)],
  ['a string of escapes that never ends', `a: "${'\\u0041'.repeat(150_000)}`],
])('%s costs neither much time nor a crash', (_, text) => {
  const begun = performance.now();
  expect(refusal(text).code).toBe('SPEC_INVALID');
  expect(performance.now() - begun).toBeLessThan(5_000);
});

test('20,000 different keys take linear time', () => {
  const begun = performance.now();
  readSpecDocument(Array.from({ length: 20_000 }, (_, i) => `key_number_${i}: 1`).join('\n'));
  expect(performance.now() - begun).toBeLessThan(5_000);
});
