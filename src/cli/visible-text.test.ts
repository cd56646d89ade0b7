import fc from 'fast-check';
import { expect, test } from 'vitest';
import { paint, render, usesColor } from './style.ts';
import { oneLine, visible, visibleJson } from './visible-text.ts';

test('escape sequences, marks of direction and halves of characters in a name are written out', () => {
  expect(visible('\x1b[2Jgone \u009b31m \u202eexe.tpj \u2066x\u2069 \ud800 \x7f')).toBe(
    '\\x1b[2Jgone \\x9b31m \\u{202e}exe.tpj \\u{2066}x\\u{2069} \\u{d800} \\x7f',
  );
  expect(visible('two\nlines\tand a tab')).toBe('two\nlines\tand a tab');
  expect(oneLine('two\r\nlines\tand a tab')).toBe('two\\r\\nlines\\tand a tab');
  expect(visible('Größe 価格 👩‍👩‍👧 سعر')).toBe('Größe 価格 👩‍👩‍👧 سعر');
});

// biome-ignore lint/suspicious/noControlCharactersInRegex: it is what is looked for
const COLOR = /\x1b\[\d+m/g;

test('no text whatever reaches a terminal as an escape sequence, but our own colours', () => {
  const nasty = fc.string({ unit: 'binary' });
  fc.assert(
    fc.property(nasty, (text) => {
      expect(render(text, true).replaceAll(COLOR, '')).not.toMatch(/[^\P{Cc}\n\t]|\p{Bidi_Control}/u);
      expect(render(text, false)).not.toMatch(/[^\P{Cc}\n\t]|\p{Bidi_Control}/u);
      expect(oneLine(text)).not.toMatch(/[\n\t]/);
    }),
  );
});

test('JSON says the same with such characters escaped', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const json = visibleJson({ text });
      expect(JSON.parse(json)).toEqual({ text });
      expect(json).not.toMatch(/\p{Cc}|\p{Bidi_Control}/u);
    }),
  );
});

test('colour: never without a terminal or on a dumb one, unless it is forced; never against --no-color', () => {
  const wish = (isTerminal: boolean, flag: boolean, environment: Record<string, string>) =>
    usesColor({ isTerminal, flag, environment });
  expect(wish(true, true, { TERM: 'xterm' })).toBe(true);
  expect(wish(false, true, { TERM: 'xterm' })).toBe(false);
  expect(wish(true, true, { TERM: 'dumb' })).toBe(false);
  expect(wish(true, true, { NO_COLOR: '1' })).toBe(false);
  expect(wish(true, true, { NO_COLOR: '' })).toBe(true);
  expect(wish(false, true, { FORCE_COLOR: '1' })).toBe(true);
  expect(wish(true, true, { FORCE_COLOR: '0' })).toBe(false);
  expect(wish(true, false, { FORCE_COLOR: '1' })).toBe(false);
});

test('marks of style become colours where there is colour, and nothing elsewhere', () => {
  expect(render(paint('bad', 'FAILED'), true)).toBe('\x1b[31mFAILED\x1b[0m');
  expect(render(paint('bad', 'FAILED'), false)).toBe('FAILED');
});
