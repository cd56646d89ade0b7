import fc from 'fast-check';
import { expect, test } from 'vitest';
import { render } from './style.ts';
import { formatTable } from './table.ts';
import { fitted, padEnd, padStart, textWidth } from './text-width.ts';
import { wrapLines } from './wrap-lines.ts';

test('wide characters, emoji and combining marks are measured as a terminal shows them', () => {
  expect(
    ['abc', '価格', 'ｗｉｄｅ', '한국어', 'é', 'e\u0301', '👍', '👩‍👩‍👧', '🇩🇪', '❤️', ''].map(textWidth),
  ).toEqual([3, 4, 8, 6, 1, 1, 2, 2, 2, 2, 0]);
  expect(fitted('価格表示', 5)).toBe('価格…');
  expect(fitted('価格表示', 8)).toBe('価格表示');
  expect([padEnd('価', 4), padStart('価', 4)]).toEqual(['価  ', '  価']);
});

const COLUMNS = [
  { header: 'JOB' },
  { header: 'ROWS', align: 'right', leaveOut: 1 },
  { header: 'NAME', least: 6 },
] as const;

test('where room is short cells are cut, and marked; then columns go; nothing is wrapped', () => {
  const rows = [['job-1', '1,000', 'a rather long name of a job']];
  const table = (width: number | null) => render(formatTable(COLUMNS, rows, width), false).split('\n');
  expect(table(null)).toEqual(['JOB     ROWS  NAME', 'job-1  1,000  a rather long name of a job']);
  expect(table(24)[1]).toBe('job-1  1,000  a rather …');
  expect(table(16)).toEqual(['JOB    NAME', 'job-1  a rather…']);
});

test('cells of a column that folds are told in full, each below its heading', () => {
  const columns = [{ header: 'COLUMN' }, { header: 'HOW', least: 10, folds: true }] as const;
  const rows = [
    ['tenure', 'exact, or a reject; a null is a reject'],
    ['city', 'exact'],
  ];
  const table = render(formatTable(columns, rows, 24), false).split('\n');
  expect(table).toEqual([
    'COLUMN  HOW',
    'tenure  exact, or a',
    '        reject; a null',
    '        is a reject',
    'city    exact',
  ]);
  expect(formatTable(columns, rows, null).split('\n')).toHaveLength(3);
});

test('a table with more columns than the terminal has room for says how many are missing', () => {
  const columns = Array.from({ length: 40 }, (_, index) => ({ header: `column${index}`, least: 6 }));
  const table = formatTable(columns, [columns.map(() => 'some value')], 60);
  expect(table.split('\n')[0]).toMatch(/ \+\d+$/);
  for (const line of table.split('\n')) expect(textWidth(line)).toBeLessThanOrEqual(60);
});

test('no line is wider than the terminal, whatever is in the cells', () => {
  const cell = fc.string({ unit: 'grapheme', maxLength: 40 });
  fc.assert(
    fc.property(
      fc.array(fc.tuple(cell, cell, cell), { maxLength: 5 }),
      fc.integer({ min: 12, max: 100 }),
      (rows, width) => {
        const columns = [
          { header: 'A', least: 3 },
          { header: 'B', least: 3 },
          { header: 'C', least: 3 },
        ];
        const lines = formatTable(columns, rows, width).split('\n');
        expect(lines).toHaveLength(rows.length + 1);
        for (const line of lines) expect(textWidth(line)).toBeLessThanOrEqual(width);
      },
    ),
  );
});

test('lines that are too long are folded at spaces, below their label, and paths stay whole', () => {
  const path = `/a/${'long/'.repeat(10)}path`;
  expect(wrapLines('  settings   batches of 1,000, 4 workers at most\nshort', 30).split('\n')).toEqual([
    '  settings   batches of 1,000,',
    '             4 workers at most',
    'short',
  ]);
  expect(wrapLines(`  log        ${path}`, 30)).toBe(`  log        ${path}`);
  expect(wrapLines('CODE: a sentence of some words', 20)).toBe('CODE: a sentence of\n  some words');
});
