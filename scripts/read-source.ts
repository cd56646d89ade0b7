/** What the structure check needs to know of a TypeScript file. */
export interface Source {
  readonly imports: readonly Import[];
  /** The text with comments, strings and regular expressions blanked out, line for line. Code in `${}` of templates stays. */
  readonly code: string;
  /** There are statements, and all of them are `export ... from`. */
  readonly onlyReexports: boolean;
}

export interface Import {
  readonly from: string;
  /** 1-based. */
  readonly line: number;
  readonly typeOnly: boolean;
}

/**
 * Reads static and dynamic imports and re-exports with literal specifiers. A scanner, not a parser: it has to tell code
 * from comments, strings and regular expressions, and takes the sources to be valid TypeScript (the compiler checks that).
 */
export function readSource(text: string): Source {
  const { code, strings } = blank(text);
  const imports = [...code.matchAll(IMPORT)].flatMap((match): Import[] => {
    const at = match.index + match[0].length - 1;
    const from = strings.get(at);
    const typeOnly = /^(import|export)\s+type\b/.test(match[0]);
    return from === undefined
      ? []
      : [{ from, line: code.slice(0, match.index).split('\n').length, typeOnly }];
  });
  const rest = code.replaceAll(REEXPORT, '').trim();
  return { imports, code, onlyReexports: rest === '' && code.trim() !== '' };
}

/** Up to the opening quote of the specifier. */
const IMPORT = /\b(?:import|export)\b(?:[\s\w$*{},]*?\bfrom)?\s*\(?\s*['"]/g;
const REEXPORT = /\bexport\s+(?:type\s+)?(?:\*(?:\s+as\s+[\w$]+)?|\{[^}]*\})\s*from\s*(['"])\s*\1\s*;?/g;

/** A regular expression can stand where no value ends. */
const BEFORE_REGEX =
  /(?:^|[([{,;=:?!&|+\-*%<>~^}]|\b(?:return|typeof|case|in|of|do|else|void|throw|await|yield))\s*$/;

function blank(text: string): { code: string; strings: Map<number, string> } {
  const out = [...text.replaceAll(/[\u{10000}-\u{10ffff}]/gu, '  ')];
  const source = out.join('');
  const strings = new Map<number, string>();
  const erase = (from: number, to: number): void => {
    for (let at = from; at < to; at += 1) if (out[at] !== '\n') out[at] = ' ';
  };
  /** Depth of braces at which each open `${` ends. */
  const templates: number[] = [];
  let depth = 0;
  let at = 0;
  while (at < source.length) {
    const two = source.slice(at, at + 2);
    const char = source[at] as string;
    let end = at + 1;
    if (two === '//') {
      end = endOf(/\n|$/g, source, at, 0);
      erase(at, end);
    } else if (two === '/*') {
      end = endOf(/\*\//g, source, at + 2, 2);
      erase(at, end);
    } else if (char === "'" || char === '"') {
      end = endOf(char === "'" ? /(?<!\\)(?:\\\\)*'/g : /(?<!\\)(?:\\\\)*"/g, source, at + 1, null);
      strings.set(at, source.slice(at + 1, end - 1));
      erase(at + 1, end - 1);
    } else if (char === '`' || (char === '}' && templates.at(-1) === depth)) {
      if (char === '}') templates.pop();
      end = endOf(/(?<!\\)(?:\\\\)*(?:`|\$\{)/g, source, at + 1, null);
      if (source.slice(end - 2, end) === '${') templates.push(depth);
      erase(at + 1, end);
    } else if (char === '/' && BEFORE_REGEX.test(out.slice(Math.max(0, at - 40), at).join(''))) {
      end = endOfRegex(source, at);
      erase(at + 1, end);
    } else if (char === '{') depth += 1;
    else if (char === '}') depth -= 1;
    at = end;
  }
  return { code: out.join(''), strings };
}

/** Offset behind the next match from `from` on; with `length`, behind that many characters of it. */
function endOf(pattern: RegExp, text: string, from: number, length: number | null): number {
  pattern.lastIndex = from;
  const match = pattern.exec(text);
  return match === null ? text.length : match.index + (length ?? match[0].length);
}

function endOfRegex(text: string, from: number): number {
  let inClass = false;
  for (let at = from + 1; at < text.length; at += 1) {
    if (text[at] === '\\') at += 1;
    else if (text[at] === '[') inClass = true;
    else if (text[at] === ']') inClass = false;
    else if (text[at] === '\n' || (text[at] === '/' && !inClass)) return at + 1;
  }
  return text.length;
}
