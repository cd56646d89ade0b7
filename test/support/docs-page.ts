/**
 * Reads what a page of documentation asks to be done. In a page:
 *
 * - A fenced block `sh` is a command of the reader's, and is run. A fenced block `text` right after it is what it prints.
 * - `<!-- exit 2 -->` before a block: the exit code that it ends with, else 0.
 * - `<!-- not run: why -->` before a block: it cannot be run here, and why.
 * - `<!-- file job.yaml -->` before a block of any language: the reader saves it under that name.
 * - `<!-- setup` ... `-->`, over several lines: commands that make what the page takes for granted.
 */
export interface DocsPage {
  readonly steps: readonly DocsStep[];
  /** What the page does wrong: a block that nobody runs, a comment that belongs to no block. */
  readonly problems: readonly string[];
}

export type DocsStep =
  | {
      readonly kind: 'run';
      readonly line: number;
      readonly script: string;
      readonly exit: number;
      readonly shows: string | null;
    }
  | { readonly kind: 'file'; readonly line: number; readonly name: string; readonly content: string };

export function readDocsPage(markdown: string): DocsPage {
  const lines = markdown.split('\n');
  const steps: DocsStep[] = [];
  const problems: string[] = [];
  let note: { readonly line: number; readonly text: string } | null = null;
  /** The last step, while nothing but empty lines has followed it. */
  let open: number | null = null;
  for (let at = 0; at < lines.length; at += 1) {
    const text = lines[at] ?? '';
    const line = at + 1;
    if (text.trim() === '') continue;
    if (text === '<!-- setup') {
      const end = lines.indexOf('-->', at);
      if (end < 0) return { steps, problems: [...problems, `line ${line}: the setup has no end`] };
      steps.push({
        kind: 'run',
        line,
        script: lines.slice(at + 1, end).join('\n'),
        exit: 0,
        shows: null,
      });
      at = end;
      continue;
    }
    const comment = /^<!-- (exit \d+|not run: .+|file \S+) -->$/.exec(text);
    if (comment !== null) {
      note = { line, text: comment[1] as string };
      continue;
    }
    const fence = /^(`{3,})(\w*)$/.exec(text);
    if (fence === null) {
      if (/^ {4}(\$ )?(npm|npx|batchwright|node) |^\s+```(sh|bash|console)$/.test(text))
        problems.push(`line ${line}: a command outside of a block \`sh\` is not run`);
      if (note !== null) problems.push(`line ${note.line}: the comment stands before no block`);
      note = null;
      open = null;
      continue;
    }
    const end = lines.indexOf(fence[1] as string, at + 1);
    if (end < 0) return { steps, problems: [...problems, `line ${line}: the block has no end`] };
    const content = `${lines.slice(at + 1, end).join('\n')}\n`;
    const language = fence[2];
    if (/^(bash|shell|console|zsh)$/.test(language ?? ''))
      problems.push(`line ${line}: commands stand in blocks \`sh\`, \`${language}\` is not run`);
    at = end;
    const [kind, value = ''] = note === null ? [''] : split(note.text);
    note = null;
    if (kind === 'file') {
      steps.push({ kind: 'file', line, name: value, content });
      open = null;
    } else if (language === 'sh' && kind === 'not run:') {
      open = null;
    } else if (language === 'sh') {
      open = steps.push({ kind: 'run', line, script: content, exit: Number(value), shows: null }) - 1;
    } else if (language === 'text' && open !== null) {
      const step = steps[open];
      if (step?.kind === 'run') steps[open] = { ...step, shows: content };
      open = null;
    } else {
      open = null;
      if (kind !== '') problems.push(`line ${line}: the comment fits no block \`${language}\``);
    }
  }
  return { steps, problems };
}

/**
 * Does the output have these lines and no others? A line `...` stands for any. Ids, digests, times, sizes, rates and the
 * width of columns do not count, numbers to three digits after the point. `null`: yes; else the first line missing.
 */
export function missingLine(shown: string, output: string, folder: string): string | null {
  const expected = linesOf(shown);
  const lines = linesOf(output.replaceAll(folder, '/home/you/tour'));
  let at = 0;
  let anywhere = false;
  for (const line of expected) {
    if (line === '...') {
      anywhere = true;
      continue;
    }
    const found = anywhere ? lines.indexOf(line, at) : lines[at] === line ? at : -1;
    if (found < 0) return line;
    at = found + 1;
    anywhere = false;
  }
  return anywhere || at === lines.length ? null : `(nothing, but there is) ${lines[at]}`;
}

function linesOf(text: string): string[] {
  return text
    .split('\n')
    .map((line) => withoutWhatVaries(line).replace(/\s+/g, ' ').trim())
    .filter((line) => line !== '');
}

function withoutWhatVaries(line: string): string {
  return line
    .replace(/\bjob-[0-9a-f]{4,}/g, 'JOB')
    .replace(/\b[0-9a-f]{12,64}\b/g, 'DIGEST')
    .replace(/\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?( ?UTC|Z)?/g, 'TIME')
    .replace(/\b[\d,.]+ rows\/s/g, 'RATE')
    .replace(/\b[\d,.]+ (ms|s|min|h)\b( \d+ (ms|s|min)\b)?/g, 'DURATION')
    .replace(/\b[\d,.]+ (B|KiB|MiB|GiB)\b/g, 'SIZE')
    .replace(/\d+\.\d{4,}/g, (number) => Number(number).toFixed(3));
}

function split(note: string): [kind: string, value: string] {
  const space = note.startsWith('not run:') ? note.indexOf(':') + 1 : note.indexOf(' ');
  return [note.slice(0, space), note.slice(space + 1).trim()];
}
