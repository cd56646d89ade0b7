import type { JobState } from '../core/states.ts';
import { visible } from './visible-text.ts';

/**
 * Colour, where it helps: states, errors, headings. Text is marked while it is put together, and the marks become
 * escape sequences, or nothing, where it is printed: only there is it known whether a terminal is at the other end.
 * The marks are noncharacters, which Unicode keeps free for such use inside a program. Text of others that holds one could
 * change a colour, and nothing else.
 */
export type Style = 'strong' | 'faint' | 'good' | 'bad' | 'warn' | 'busy';

export function paint(style: Style, text: string): string {
  return `${MARKS[style]}${text}${END}`;
}

export function stateStyle(state: JobState): Style {
  return STATE_STYLES[state];
}

/** Text ready to be written: foreign control characters visible, marks as colours or gone. */
export function render(text: string, color: boolean): string {
  return visible(text).replace(MARK, (mark) => (color ? (SEQUENCES[mark] ?? '') : ''));
}

export interface ColorWishes {
  readonly isTerminal: boolean;
  /** False: `--no-color`. */
  readonly flag: boolean;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** `--no-color`, then FORCE_COLOR, then NO_COLOR (any text, https://no-color.org) and TERM=dumb, then whether it is a terminal. */
export function usesColor({ isTerminal, flag, environment }: ColorWishes): boolean {
  if (!flag) return false;
  const { FORCE_COLOR: force, NO_COLOR: no, TERM: term } = environment;
  if (force !== undefined) return force !== '0' && force !== 'false';
  return isTerminal && (no === undefined || no === '') && term !== 'dumb';
}

const STATE_STYLES: Readonly<Record<JobState, Style>> = {
  submitted: 'busy',
  preparing: 'busy',
  running: 'busy',
  completing: 'busy',
  completed: 'good',
  failed: 'bad',
  cancelled: 'warn',
};

const MARKS: Readonly<Record<Style, string>> = {
  strong: '\u{fdd0}',
  faint: '\u{fdd1}',
  good: '\u{fdd2}',
  bad: '\u{fdd3}',
  warn: '\u{fdd4}',
  busy: '\u{fdd5}',
};
const END = '\u{fdd6}';
const MARK = /[\u{fdd0}-\u{fdd6}]/gu;

const SEQUENCES: Readonly<Record<string, string>> = {
  [MARKS.strong]: '\x1b[1m',
  [MARKS.faint]: '\x1b[2m',
  [MARKS.good]: '\x1b[32m',
  [MARKS.bad]: '\x1b[31m',
  [MARKS.warn]: '\x1b[33m',
  [MARKS.busy]: '\x1b[36m',
  [END]: '\x1b[0m',
};
