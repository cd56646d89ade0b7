import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { expect, test } from 'vitest';
import { program } from '../src/cli/command-line.ts';
import { documentationPages, ROOT } from './support/documentation-pages.ts';

/** What is not run: commands in the middle of a sentence, in tables, in examples of the generated pages. */
test.each(documentationPages())('%s: every command and option that it mentions exists', (page) => {
  const text = readFileSync(join(ROOT, page), 'utf8');
  const lines = [...text.matchAll(/`(batchwright [^`\n]+)`|^\s*(batchwright .+)$/gm)].map(
    ([, inline, line]) => inline ?? line ?? '',
  );
  expect(lines.flatMap(unknownOf)).toEqual([]);
});

test('a command or an option that does not exist is noticed', () => {
  expect(unknownOf('batchwright rum job.yaml')).toEqual(['batchwright rum job.yaml: rum']);
  expect(unknownOf('batchwright model show churn --jsn')).toEqual([
    'batchwright model show churn --jsn: --jsn',
  ]);
  expect(unknownOf("batchwright run --input 'in/*.csv' --output out/ --json | tail -n 1")).toEqual([]);
});

function unknownOf(line: string): string[] {
  const words = (line.split(/ [|>#] | 2> /)[0] ?? '').split(/\s+/).slice(1);
  let command: Command = program;
  const unknown: string[] = [];
  for (const [at, word] of words.entries()) {
    const [flag = ''] = word.split('=');
    const isKnown =
      command.options.some(({ long, short }) => long === flag || short === flag) ||
      /^(--help|-h)$/.test(flag);
    const child = command.commands.find((each) => each.name() === word);
    const isPlace = /^[A-Z.[<]/.test(word);
    if (child !== undefined && at <= 1) command = child;
    else if (/^--?[a-z]/.test(word) && !isKnown) unknown.push(word);
    else if (at === 0 && !isPlace && !word.startsWith('-') && word !== 'help') unknown.push(word);
  }
  return unknown.map((word) => `${line}: ${word}`);
}
