import type { Command } from 'commander';
import { ERROR_CODES } from '../core/error-codes.ts';
import { JOB_STATES } from '../core/states.ts';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

/** A script, to be sourced, that completes all commands of a program, made from their definitions. */
export function completionScript(program: Command, shell: Shell): string {
  const name = program.name();
  const commands = [
    ...program.commands.map(wordsOf),
    {
      name: 'help',
      summary: 'what a command does, its options, examples',
      options: [],
      argument: { words: program.commands.map((command) => command.name()) },
    },
  ];
  switch (shell) {
    case 'bash':
      return bash(name, commands);
    case 'zsh':
      return zsh(name, commands);
    case 'fish':
      return fish(name, commands);
  }
}

/** What can stand somewhere: one of some words, the id of a job, a path, or anything. */
type Expected = { readonly words: readonly string[] } | 'job' | 'path' | 'job-or-path' | 'anything';

interface CommandWords {
  readonly name: string;
  readonly summary: string;
  readonly options: readonly OptionWords[];
  /** Of the first argument; 'anything' without one. */
  readonly argument: Expected;
}

interface OptionWords {
  readonly long: string;
  readonly short: string | undefined;
  readonly description: string;
  readonly repeatable: boolean;
  /** Null: a switch. */
  readonly value: Expected | null;
}

function wordsOf(command: Command): CommandWords {
  const [argument] = command.registeredArguments;
  return {
    name: command.name(),
    summary: command.summary(),
    options: command.options.map((option) => ({
      long: option.long ?? '',
      short: option.short,
      description: option.description,
      repeatable: /\(repeatable\)/.test(option.description),
      value:
        option.required || option.optional
          ? expected(/<(.*)>/.exec(option.flags)?.[1] ?? '', option.argChoices)
          : null,
    })),
    argument: expected(argument?.name() ?? '', argument?.argChoices),
  };
}

/** By the name of a value in help: `<folder>`, `<error|overwrite|append>`. */
function expected(name: string, choices: readonly string[] | undefined): Expected {
  if (choices !== undefined) return { words: choices };
  if (name === 'job') return 'job';
  if (name === 'job|folder') return 'job-or-path';
  if (name === 'code') return { words: Object.keys(ERROR_CODES) };
  if (name === 'states') return { words: [...JOB_STATES, 'unfinished'] };
  if (/^(file|folder|path|job-file|file\..*)$/.test(name)) return 'path';
  if (/^[a-z]+(\|[a-z]+)+$/.test(name)) return { words: name.split('|') };
  return 'anything';
}

/** Ids of jobs, one a line; nothing where there is no state folder. */
const IDS = (program: string) =>
  `${program} jobs --json --limit 100 2>/dev/null | tr ',' '\\n' | sed -n 's/.*"job_id":"\\([^"]*\\)".*/\\1/p'`;

function bash(program: string, commands: readonly CommandWords[]): string {
  const names = commands.map(({ name }) => name).join(' ');
  const reply = (value: Expected): string => {
    if (value === 'job') return `COMPREPLY=($(compgen -W "latest $(_${program}_jobs)" -- "$cur"))`;
    if (value === 'job-or-path')
      return `COMPREPLY=($(compgen -W "latest $(_${program}_jobs)" -- "$cur") $(compgen -d -- "$cur"))`;
    // Nothing of ours: bash then completes file names.
    if (value === 'path' || value === 'anything') return ':';
    return `COMPREPLY=($(compgen -W "${value.words.join(' ')}" -- "$cur"))`;
  };
  const values = commands.flatMap(({ name, options }) =>
    options.flatMap(({ long, value }) =>
      value === null ? [] : [`    ${name}:${long}) ${reply(value)}; return ;;`],
    ),
  );
  const cases = commands.map(({ name, options, argument }) => {
    const flags = [...options.map(({ long }) => long), '--help'].join(' ');
    return `    ${name}) if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W "${flags}" -- "$cur")); else ${reply(argument)}; fi ;;`;
  });
  return `# bash completion for ${program}
_${program}_jobs() { ${IDS(program)}; }
_${program}() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} command=\${COMP_WORDS[1]}
  COMPREPLY=()
  if (( COMP_CWORD == 1 )); then COMPREPLY=($(compgen -W "${names} --help --version" -- "$cur")); return; fi
  case "$command:$prev" in
${values.join('\n')}
  esac
  case "$command" in
${cases.join('\n')}
  esac
}
complete -o bashdefault -o default -F _${program} ${program}`;
}

function zsh(program: string, commands: readonly CommandWords[]): string {
  const described = (text: string) => text.replace(/[[\]:\\]/g, '\\$&').replaceAll("'", "'\\''");
  const action = (value: Expected): string => {
    if (value === 'job') return `_${program}_jobs`;
    if (value === 'job-or-path') return `_${program}_jobs_or_files`;
    if (value === 'path') return '_files';
    return value === 'anything' ? ' ' : `(${value.words.join(' ')})`;
  };
  const spec = ({ long, short, description, repeatable, value }: OptionWords) => {
    const rest = `[${described(description)}]${value === null ? '' : `:value:${action(value)}`}`;
    const names = short === undefined ? `'${long}` : `'(${short} ${long})'{${short},${long}}'`;
    return `      ${repeatable ? `'*'` : ''}${names}${rest}'`;
  };
  const cases = commands.map(({ name, options, argument }) =>
    [
      `    ${name}) _arguments \\`,
      ...[...options.map(spec), `      '1:argument:${action(argument)}'`].map((line, index, all) =>
        index === all.length - 1 ? `${line} ;;` : `${line} \\`,
      ),
    ].join('\n'),
  );
  return `#compdef ${program}
_${program}_jobs() { local -a ids; ids=(latest \${(f)"$(${IDS(program)})"}); compadd -a ids }
_${program}_jobs_or_files() { _${program}_jobs; _files }
_${program}() {
  local -a commands
  commands=(
${commands.map(({ name, summary }) => `    '${name}:${described(summary)}'`).join('\n')}
  )
  if (( CURRENT == 2 )); then _describe command commands; return; fi
  local command=$words[2]
  shift words; (( CURRENT-- ))
  case $command in
${cases.join('\n')}
  esac
}
compdef _${program} ${program}`;
}

function fish(program: string, commands: readonly CommandWords[]): string {
  const quoted = (text: string) => `'${text.replace(/['\\]/g, '\\$&')}'`;
  const words = (value: Expected): string => {
    if (value === 'job') return ` -xa '(_${program}_jobs)'`;
    if (value === 'job-or-path') return ` -Fa '(_${program}_jobs)'`;
    if (value === 'path') return ' -rF';
    return value === 'anything' ? ' -x' : ` -xa ${quoted(value.words.join(' '))}`;
  };
  const lines = commands.flatMap(({ name, summary, options, argument }) => {
    const seen = `complete -c ${program} -n '__fish_seen_subcommand_from ${name}'`;
    return [
      `complete -c ${program} -n __fish_use_subcommand -xa ${name} -d ${quoted(summary)}`,
      ...(argument === 'anything' ? [] : [`${seen}${argument === 'path' ? ' -F' : words(argument)}`]),
      ...options.map(
        ({ long, short, description, value }) =>
          `${seen} -l ${long.slice(2)}${short === undefined ? '' : ` -s ${short.slice(1)}`}${value === null ? '' : words(value)} -d ${quoted(description)}`,
      ),
    ];
  });
  return `# fish completion for ${program}
function _${program}_jobs
  echo latest
  ${IDS(program)}
end
complete -c ${program} -f
${lines.join('\n')}`;
}
