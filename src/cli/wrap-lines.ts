import { textWidth } from './text-width.ts';

/**
 * Lines broken at spaces where they are wider than the terminal, and indented below what they continue: behind a label
 * (`  settings   ...`), else a little deeper than their line. A longer word, such as a path, stays whole: the terminal
 * folds it, and it can be copied. Lines that fit stay as they are, tables among them.
 */
export function wrapLines(text: string, width: number): string {
  return text
    .split('\n')
    .flatMap((line) => (textWidth(line) <= width ? [line] : wrapLine(line, width)))
    .join('\n');
}

function wrapLine(line: string, width: number): string[] {
  const [, label] = /^( +\S+ {2,})\S/.exec(line) ?? [];
  const [lead = ''] = /^ */.exec(line) ?? [];
  const hang = Math.min(label === undefined ? lead.length + 2 : textWidth(label), Math.floor(width / 2));
  const head = label ?? lead;
  const lines: string[] = [];
  let current = head;
  let empty = true;
  for (const word of line.slice(head.length).split(' ')) {
    if (!empty && textWidth(current) + 1 + textWidth(word) > width) {
      lines.push(current);
      current = ' '.repeat(hang) + word;
    } else {
      current += empty ? word : ` ${word}`;
    }
    empty = false;
  }
  return [...lines, current];
}
