import { Argument, Command } from 'commander';
import { type CommonOptions, finish, withCommonOptions } from '../common-options.ts';
import { completionScript, SHELLS, type Shell } from '../completion-script.ts';
import { examples, withHelp } from '../help.ts';

/** `program`: all commands, from which the script is made. */
export function completionCommand(program: Command): Command {
  const command = new Command('completion')
    .summary('print a script that completes commands in your shell')
    .description(
      'Prints a script for your shell: commands, options, their choices, codes, and the ids of jobs are then completed with Tab.',
    )
    .addArgument(new Argument('<shell>', 'your shell').choices(SHELLS));
  return withHelp(
    withCommonOptions(command),
    examples(
      ['bash, in ~/.bashrc', 'source <(batchwright completion bash)'],
      ['zsh, in ~/.zshrc, after compinit', 'source <(batchwright completion zsh)'],
      ['fish', 'batchwright completion fish > ~/.config/fish/completions/batchwright.fish'],
    ),
  ).action((shell: Shell, options: CommonOptions) =>
    finish(options, async (output) => {
      const script = completionScript(program, shell);
      output.result(script, { shell, script });
      return 0;
    }),
  );
}
