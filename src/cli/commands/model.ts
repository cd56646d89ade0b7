import { Command, Option } from 'commander';
import { Failure } from '../../core/errors.ts';
import { finish, type StateOptions, stateOption, withCommonOptions } from '../common-options.ts';
import { examples, withHelp } from '../help.ts';
import { collect } from '../parse-options.ts';

interface AddFlags extends StateOptions {
  readonly alias?: string;
  readonly features?: string[];
  readonly key?: string;
  readonly output?: string[];
  readonly tag?: string[];
  readonly description?: string;
}

/** `batchwright model ...`: the model registry. */
export function modelCommand(): Command {
  const model = withHelp(
    new Command('model')
      .summary('the model registry: versions that never change, aliases that move')
      .description(
        'The model registry: versions that never change, and aliases that move. A job names a model as churn, churn@3 or churn@champion.',
      )
      .helpCommand(false),
    examples(
      [
        'Add a version, and call it the champion',
        'batchwright model add churn churn.onnx --alias champion --features @features.txt',
      ],
      ['Which version is in production', 'batchwright model show churn@champion'],
      ['Score with it', "batchwright run --model churn@champion --input 'in/*.parquet' --output out/"],
    ),
  );
  const command = (name: string, description: string): Command => {
    const made = new Command(name)
      .summary(description)
      .description(`${description.charAt(0).toUpperCase()}${description.slice(1)}.`);
    model.addCommand(made);
    return made;
  };

  command('add', 'add a version of a model; the same again is the version that is there')
    .argument('<name>', 'letters, digits, - _ and .')
    .argument('<file>', 'the .onnx file; its external data comes with it')
    .option('--alias <alias>', 'put this alias to the version')
    .option(
      '--features <a,b,...|@file>',
      'columns it was trained with, in order; @file: one on each line',
      collect,
    )
    .option('--key <column>', 'column that identifies a record, where a job names none')
    .option(
      '--output <output=name>',
      'publish this output under this name, where a job says nothing (repeatable)',
      collect,
    )
    .option('--tag <name=value>', 'label of the version (repeatable)', collect)
    .option('--description <text>', 'what it is')
    .action(async (name: string, file: string, options: AddFlags) => {
      const { modelAddCommand, readFeatures } = await import('./model/add.ts');
      await finish(options, async (output) =>
        modelAddCommand(
          {
            name,
            file,
            alias: options.alias ?? null,
            features: options.features === undefined ? null : readFeatures(options.features),
            key: options.key ?? null,
            outputs: options.output === undefined ? null : pairs(options.output, '--output'),
            tags: pairs(options.tag ?? [], '--tag'),
            description: options.description ?? null,
          },
          options.state,
          output,
        ),
      );
    });

  command('list', 'list models: newest version, aliases, size')
    .addOption(new Option('--limit <count>', 'at most so many').default('50'))
    .option('--after <name>', 'names after this one')
    .action(async (options: StateOptions & { limit: string; after?: string }) => {
      const { modelListCommand } = await import('./model/list.ts');
      await finish(options, async (output) => {
        const page = { limit: whole('--limit', options.limit, 1_000), after: options.after ?? null };
        return modelListCommand(page, options.state, output);
      });
    });

  command('show', 'show a model: signature, features, versions, where its aliases stood, jobs')
    .argument('<model>', 'churn, churn@3 or churn@champion')
    .option('--limit <count>', 'at most so many versions', '20')
    .option('--before <version>', 'versions before this one')
    .option('--check', 'read the stored bytes and compare their digests', false)
    .action(
      async (
        reference: string,
        options: StateOptions & { limit: string; before?: string; check: boolean },
      ) => {
        const { modelShowCommand } = await import('./model/show.ts');
        await finish(options, async (output) => {
          const limit = whole('--limit', options.limit, 1_000);
          const before = options.before === undefined ? null : whole('--before', options.before, 999_999_999);
          return modelShowCommand({ reference, limit, before, check: options.check }, options.state, output);
        });
      },
    );

  command('alias', 'move an alias to a version, or take it away')
    .argument('<name>')
    .argument('<alias>')
    .argument('[version]', 'its number')
    .option('--remove', 'take the alias away', false)
    .action(
      async (
        name: string,
        alias: string,
        version: string | undefined,
        options: StateOptions & { remove: boolean },
      ) => {
        const { modelAliasCommand } = await import('./model/alias.ts');
        await finish(options, async (output) => {
          if (options.remove === (version !== undefined))
            throw new Failure('USAGE', 'model alias takes a version, or --remove.', {
              next: `batchwright model alias ${name} ${alias} 3, or: batchwright model alias ${name} ${alias} --remove`,
            });
          const to = version === undefined ? null : whole('The version', version, 999_999_999);
          return modelAliasCommand({ name, alias, version: to }, options.state, output);
        });
      },
    );

  command('rm', 'remove a version; what it was stays on record')
    .argument('<model>', 'churn@3')
    .option(
      '--force',
      'also while an alias stands for it (which goes too) or an unfinished job uses it',
      false,
    )
    .action(async (reference: string, options: StateOptions & { force: boolean }) => {
      const { modelRmCommand } = await import('./model/rm.ts');
      await finish(options, (output) =>
        modelRmCommand({ reference, force: options.force }, options.state, output),
      );
    });
  for (const each of model.commands) withCommonOptions(each.addOption(stateOption()));
  return model;
}

function whole(what: string, text: string, most: number): number {
  const number = Number(text);
  if (/^\d{1,9}$/.test(text) && number >= 1 && number <= most) return number;
  throw new Failure('USAGE', `${what} takes a whole number from 1 to ${most}, not ${JSON.stringify(text)}.`);
}

function pairs(given: readonly string[], flag: string): Record<string, string> {
  return Object.fromEntries(
    given.map((pair) => {
      const at = pair.indexOf('=');
      if (at > 0 && at < pair.length - 1) return [pair.slice(0, at), pair.slice(at + 1)];
      throw new Failure('USAGE', `${flag} takes name=value, not ${JSON.stringify(pair)}.`, {
        place: { field: flag },
      });
    }),
  );
}
