import { type Argument, type Command, Help, Option } from 'commander';
import { EXIT_CODES } from '../core/exit-codes.ts';
import { COMMON } from './common-options.ts';
import { paint, render, usesColor } from './style.ts';
import { foldedAt } from './text-width.ts';

/** A heading and pairs of a term and what it means; a text without a meaning is a line of its own. */
export interface HelpSection {
  readonly title: string;
  readonly items: readonly (readonly [term: string, meaning?: string])[];
}

/** Adds sections below a command's options, wrapped at the terminal's width. */
export function withHelp(command: Command, ...sections: readonly HelpSection[]): Command {
  SECTIONS.set(command, sections);
  return command.addHelpText('after', () =>
    sections.map((section) => `\n${formatSection(section, helpWidth())}`).join('\n'),
  );
}

/** What `withHelp` added to a command. */
export function helpSectionsOf(command: Command): readonly HelpSection[] {
  return SECTIONS.get(command) ?? [];
}

const SECTIONS = new WeakMap<Command, readonly HelpSection[]>();

/** What each example does, and its command line. */
export function examples(...lines: readonly (readonly [what: string, command: string])[]): HelpSection {
  return {
    title: 'Examples:',
    items: lines.flatMap(([what, command]) => [[`# ${what}`] as const, [command] as const]),
  };
}

/** The looks of all help: headings, widths, what stands in it. Inherited by the commands that are added later. */
export function configureHelp(program: Command): void {
  program
    .addHelpOption(new Option('-h, --help', 'show this help').helpGroup(COMMON))
    .configureHelp({
      helpWidth: helpWidth(),
      minWidthToWrap: 20,
      sortSubcommands: false,
      styleTitle: (title) => paint('strong', title),
      subcommandTerm: (command) =>
        [command.name(), ...command.registeredArguments.map((each) => argumentTerm(each))].join(' '),
      // That a switch is off unless it is given goes without saying.
      optionDescription: (option) =>
        option.isBoolean() ? option.description : Help.prototype.optionDescription.call(new Help(), option),
      subcommandDescription: (command) => command.summary() || command.description(),
    })
    .configureOutput({
      // Marks of `style.ts` are rendered where it is known what the text goes to.
      writeOut: (text) => process.stdout.write(render(text, colors(process.stdout))),
      writeErr: (text) => process.stderr.write(render(text, colors(process.stderr))),
      getOutHasColors: () => true,
      getErrHasColors: () => true,
    });
}

export const EXIT_SECTION: HelpSection = {
  title: 'Exit codes:',
  items: Object.entries(EXIT_CODES).map(([code, meaning]) => [code.padStart(3), meaning] as const),
};

export const ENVIRONMENT_SECTION: HelpSection = {
  title: 'Environment:',
  items: [
    ['NO_COLOR', 'set to anything: no colour'],
    ['FORCE_COLOR', 'colour also without a terminal; 0: none'],
    ['XDG_CONFIG_HOME', 'where your signing key is kept, in batchwright/; default ~/.config'],
    [
      'BATCHWRIGHT_API_KEY',
      'what commands with --server show it; else a line `<url> <key>` in batchwright/credentials',
    ],
    ['BATCHWRIGHT_TOKEN', 'what a worker started by hand shows its manager'],
    ['BATCHWRIGHT_CONFIG', 'the configuration file: connections; --config comes first'],
    ['BATCH_MAX_INPUT_ROWS', 'most rows that a job may read from a database; default: any number'],
    ['BATCHWRIGHT_DEBUG', 'set to anything: where an INTERNAL error came from'],
  ],
};

/** Of help: the terminal's, between 40 and 100 columns; 80 without a terminal. */
export function helpWidth(): number {
  return Math.min(100, Math.max(40, process.stdout.columns ?? 80));
}

export function formatSection({ title, items }: HelpSection, width: number): string {
  const termWidth = Math.max(0, ...items.map(([term, meaning]) => (meaning === undefined ? 0 : term.length)));
  const lines = items.flatMap(([term, meaning]) => {
    if (meaning === undefined) {
      // What an example does may be folded, its command line has to stay one.
      if (!term.startsWith('# ')) return [`  ${term}`];
      return foldedAt(term.slice(2), width - 4).map((line) => paint('faint', `  # ${line}`));
    }
    const indent = ' '.repeat(termWidth + 4);
    return foldedAt(meaning, width - indent.length).map((line, index) =>
      index === 0 ? `  ${term.padEnd(termWidth)}  ${line}` : `${indent}${line}`,
    );
  });
  return [paint('strong', title), ...lines].join('\n');
}

function argumentTerm(argument: Argument): string {
  return argument.required ? `<${argument.name()}>` : `[${argument.name()}]`;
}

function colors(stream: NodeJS.WriteStream): boolean {
  return usesColor({
    isTerminal: stream.isTTY === true,
    flag: !process.argv.includes('--no-color'),
    environment: process.env,
  });
}
