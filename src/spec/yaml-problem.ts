/** Where a text stops being YAML, as people look for it, and what should stand there. */
export interface YamlProblem {
  /** 1-based. */
  readonly line: number;
  /** 1-based, in characters. */
  readonly column: number;
  /** Completes "The job specification is not YAML: ...". */
  readonly what: string;
}

/** An error of the parser: a kind, a sentence about the grammar, and the offsets between which it gave up. */
export interface YamlError {
  readonly code: string;
  readonly message: string;
  readonly pos: readonly [number, number];
}

/**
 * The parser says which rule of the grammar broke, where the broken construct begins: for a line that is indented too far,
 * the line above. This says which line to change. Only the first error counts, the others follow from it.
 */
export function yamlProblem(errors: readonly YamlError[], text: string): YamlProblem {
  const [first] = errors;
  if (first === undefined) throw new Error('no error to explain');
  const { line, column } = placeOf(first.pos[0], text);
  const lines = text.split(/\r?\n/);
  const own = lines[line - 1] ?? '';
  const glued = /^\s*(?:- +)?[\w.-]+:(?=[^\s/\\])/.exec(own);
  if (glued !== null && first.code.endsWith('_IMPLICIT_KEY'))
    return { line, column: glued[0].length + 1, what: 'a space is missing after the colon' };
  switch (first.code) {
    case 'TAB_AS_INDENT':
      return { line, column: 1, what: 'the line is indented with a tab; use spaces' };
    case 'BLOCK_AS_IMPLICIT_KEY':
    case 'MULTILINE_IMPLICIT_KEY': {
      const ends = errors
        .filter(({ pos }) => pos[0] === first.pos[0])
        .map(({ pos }) => placeOf(pos[1], text).line);
      const last = Math.max(line, ...ends);
      if (last > line) return tooDeep(last, line, lines);
      const second = own.indexOf(': ', column - 1);
      if (second < 0) return wrongIndent(line, lines);
      return { line, column: second + 1, what: 'a second colon in one line; put the value in quotes' };
    }
    case 'BAD_INDENT':
    case 'UNEXPECTED_TOKEN':
      return openBracket(line, lines) ?? wrongIndent(line, lines);
    case 'MISSING_CHAR':
      return (
        openQuote(line, lines) ??
        openBracket(line, lines) ?? {
          line,
          column,
          what: 'a key and a colon are expected, as in `path: data.csv`',
        }
      );
    case 'BAD_SCALAR_START':
      return { line, column, what: `text cannot begin with ${own.charAt(column - 1)}; put it in quotes` };
    default:
      return { line, column, what: lowerFirst(first.message.split('\n')[0] ?? '') };
  }
}

/** The line and a mark below the place, for the lines under an error's sentence. */
export function markedLine(text: string, { line, column }: YamlProblem): string[] {
  const own = (text.split(/\r?\n/)[line - 1] ?? '').replaceAll('\t', ' ');
  const from = Math.max(0, column - MARKED_AT);
  const label = String(line);
  return [
    `${label} | ${own.slice(from, from + SHOWN)}`,
    `${' '.repeat(label.length)} | ${' '.repeat(column - 1 - from)}^`,
  ];
}

/** Long lines are shown around the mark. */
const MARKED_AT = 40;
const SHOWN = 60;

function placeOf(offset: number, text: string): { readonly line: number; readonly column: number } {
  const before = text.slice(0, offset);
  return { line: before.split('\n').length, column: offset - before.lastIndexOf('\n') };
}

function indentOf(line: string): number {
  return line.length - line.trimStart().length;
}

function isContent(line: string): boolean {
  return !/^\s*(#|$)/.test(line);
}

function tooDeep(line: number, above: number, lines: readonly string[]): YamlProblem {
  const depth = indentOf(lines[line - 1] ?? '');
  return {
    line,
    column: depth + 1,
    what: `the line is indented by ${spaces(depth)}, but line ${above} has its value already; expected ${spaces(indentOf(lines[above - 1] ?? ''))}`,
  };
}

/** Expected are the depths of the lines above that a line may go back to. */
function wrongIndent(line: number, lines: readonly string[]): YamlProblem {
  const depth = indentOf(lines[line - 1] ?? '');
  const open: number[] = [];
  for (const above of lines
    .slice(0, line - 1)
    .filter(isContent)
    .toReversed()) {
    const own = indentOf(above);
    if (own < (open.at(-1) ?? Number.POSITIVE_INFINITY)) open.push(own);
  }
  const others = open.filter((own) => own !== depth).sort((a, b) => a - b);
  const expected = others.length === 0 ? '' : `; expected ${others.join(' or ')}`;
  return { line, column: depth + 1, what: `the line is indented by ${spaces(depth)}${expected}` };
}

function openQuote(until: number, lines: readonly string[]): YamlProblem | null {
  for (const [at, line] of lines.slice(0, until).entries()) {
    const [lead, mark = ''] = /^[^"'#]*?(?:^|[\s[{,])(["'])/.exec(line) ?? [];
    if (lead === undefined || line.indexOf(mark, lead.length) >= 0) continue;
    return { line: at + 1, column: lead.length, what: `this quote is not closed; expected another ${mark}` };
  }
  return null;
}

function openBracket(until: number, lines: readonly string[]): YamlProblem | null {
  const open: { readonly line: number; readonly column: number; readonly closing: string }[] = [];
  for (const [at, line] of lines.slice(0, until).entries()) {
    const shown = line.replaceAll(/"(?:[^"\\]|\\.)*"|'[^']*'|(?:^|\s)#.*/g, (part) =>
      ' '.repeat(part.length),
    );
    for (const [index, sign] of [...shown].entries()) {
      if (sign === '[' || sign === '{') {
        open.push({ line: at + 1, column: index + 1, closing: sign === '[' ? ']' : '}' });
      } else if (sign === open.at(-1)?.closing) open.pop();
    }
  }
  const last = open.at(-1);
  if (last === undefined) return null;
  const { line, column, closing } = last;
  return { line, column, what: `this bracket is not closed; expected ${closing}` };
}

function spaces(count: number): string {
  return count === 1 ? '1 space' : `${count} spaces`;
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
