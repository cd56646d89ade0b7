import { expect, test } from 'vitest';
import { missingLine, readDocsPage } from './support/docs-page.ts';

const block = (language: string, content: string) => `\`\`\`${language}\n${content}\n\`\`\`\n`;

test('a page gives its commands in order, with what they print, their exit codes and files', () => {
  const page = `<!-- setup\nmkdir in\n-->\n\n<!-- file a.yaml -->\n${block('yaml', 'a: 1')}\nText.\n\n<!-- exit 2 -->\n${block('sh', 'x run')}\n${block('text', 'No.')}`;
  expect(readDocsPage(page)).toEqual({
    steps: [
      { kind: 'run', line: 1, script: 'mkdir in', exit: 0, shows: null },
      { kind: 'file', line: 6, name: 'a.yaml', content: 'a: 1\n' },
      { kind: 'run', line: 13, script: 'x run\n', exit: 2, shows: 'No.\n' },
    ],
    problems: [],
  });
});

test('text after some words is not taken for what a command prints; a command that is not run says why', () => {
  const page = `${block('sh', 'x')}\nA file:\n\n${block('text', 'a,b')}\n<!-- not run: because -->\n${block('sh', 'y')}`;
  expect(readDocsPage(page)).toMatchObject({ steps: [{ script: 'x\n', shows: null }], problems: [] });
});

test.each([
  ['a block that is never run', block('bash', 'x')],
  ['a block in a list', `- Say:\n\n  ${block('sh', 'x')}`],
  ['a command by indentation', '    batchwright run'],
  ['a block without an end', '```sh\nx'],
  ['a setup without an end', '<!-- setup\nx'],
  ['a comment before no block', '<!-- exit 2 -->\n\nText.'],
  ['an exit code of what is not run', `<!-- exit 2 -->\n${block('yaml', 'a: 1')}`],
])('%s is a problem of the page', (_, page) => {
  expect(readDocsPage(page).problems).not.toEqual([]);
});

test('output is compared line by line, but for what varies from run to run', () => {
  const printed =
    'job-0a1b2c3d completed in 2.7 s\n\n  rows   6 read\n  speed  91 rows/s\n  in /tmp/x/out, 7 KiB\n  p 0.87966921\n';
  const shown =
    'job-ffffffff completed in 31 ms\n rows 6 read\nspeed 1,234 rows/s\nin /home/you/tour/out, 12 MiB\np 0.87966923\n';
  expect(missingLine(shown, printed, '/tmp/x')).toBeNull();
  expect(missingLine('...\nrows 6 read\n...\n', printed, '/tmp/x')).toBeNull();
  expect(missingLine('...\nrows 7 read\n...\n', printed, '/tmp/x')).toBe('rows 7 read');
  expect(missingLine('...\nrows 6 read\n', printed, '/tmp/x')).toMatch(/there is.* speed/);
  expect(missingLine('rows 6 read\n...\n', printed, '/tmp/x')).toBe('rows 6 read');
  expect(missingLine(shown.replace('0.879', '0.878'), printed, '/tmp/x')).toBe('p 0.879');
});
