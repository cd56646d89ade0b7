import { Command } from 'commander';
import { type CommonOptions, configOption, finish, withCommonOptions } from '../common-options.ts';
import { examples, withHelp } from '../help.ts';

interface ConnectionOptions extends CommonOptions {
  readonly config?: string;
}

/** `batchwright connection ...`: the databases that jobs may name. */
export function connectionCommand(): Command {
  const connection = withHelp(
    new Command('connection')
      .summary('the databases that jobs may name: list, test')
      .description(
        'The databases that jobs may name. They are declared in batchwright.yaml, never in a job; passwords come from the environment, a file or a command and are never shown.',
      )
      .helpCommand(false),
    examples(
      ['Which there are', 'batchwright connection list'],
      ['Does it answer, and as whom', 'batchwright connection test warehouse'],
    ),
  );
  const command = (name: string, description: string): Command => {
    const made = withCommonOptions(
      new Command(name)
        .summary(description)
        .description(`${description.charAt(0).toUpperCase()}${description.slice(1)}.`)
        .addOption(configOption()),
    );
    connection.addCommand(made);
    return made;
  };
  withHelp(
    command('list', 'list connections: kind, address, where the password comes from').action(
      async (options: ConnectionOptions) => {
        const { connectionListCommand } = await import('./connection/list.ts');
        await finish(options, (output) => connectionListCommand(options.config, output));
      },
    ),
    examples(['Of another configuration', 'batchwright connection list --config staging.yaml']),
  );
  withHelp(
    command('test', 'connect to a database: version, user, rights, time')
      .argument('<name>', 'as the configuration calls it')
      .action(async (name: string, options: ConnectionOptions) => {
        const { connectionTestCommand } = await import('./connection/test.ts');
        await finish(options, (output) => connectionTestCommand(name, options.config, output));
      }),
    examples(['Before the first job', 'batchwright connection test warehouse']),
  );
  return connection;
}
