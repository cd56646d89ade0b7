/**
 * Names, messages and values come from others: a column may be called `\x1b[2J`, a file may end in a mark that turns
 * the reading direction. On a terminal such characters act, or hide; here they are written out.
 */

/**
 * Control characters (but line ends and tabs), marks of direction, invisible separators and halves of characters as
 * escapes: `\x1b`, `\u{202e}`. Everything that is printed for people goes through this.
 */
export function visible(text: string): string {
  return text.replace(HIDDEN, (char) => (char === '\n' || char === '\t' ? char : escaped(char)));
}

/** The same with line ends and tabs written out too: for names and values inside a line, and cells. */
export function oneLine(text: string): string {
  return text.replace(HIDDEN, escaped);
}

/** JSON that is safe to print: what `JSON.stringify` leaves of such characters is escaped as JSON does, and means the same. */
export function visibleJson(value: unknown): string {
  return JSON.stringify(value).replace(HIDDEN, (char) => `\\u${hex(char.charCodeAt(0), 4)}`);
}

/** Zero width joiners and non-joiners stay: emoji and several scripts need them. */
const HIDDEN = /[\p{Cc}\p{Cs}\p{Bidi_Control}\u2028\u2029\u200b\u2060\ufeff]/gu;

const SHORT: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

function escaped(char: string): string {
  const code = char.codePointAt(0) ?? 0;
  return SHORT[char] ?? (code < 0x100 ? `\\x${hex(code, 2)}` : `\\u{${hex(code, 4)}}`);
}

function hex(code: number, digits: number): string {
  return code.toString(16).padStart(digits, '0');
}
