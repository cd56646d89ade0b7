import { Command, Option } from 'commander';
import type { KeyClient } from '../../client/key-client.ts';
import { API_ROLES, type ApiRole } from '../../core/api-role.ts';
import { Failure } from '../../core/errors.ts';
import { finish, type StateOptions, stateOption, withCommonOptions } from '../common-options.ts';
import { formatTime } from '../format.ts';
import { examples, withHelp } from '../help.ts';
import { formatTable, type TableColumn } from '../table.ts';
import { oneLine } from '../visible-text.ts';

/** `batchwright key ...`: API keys of a server, by whoever may read its state folder. */
export function keyCommand(): Command {
  const key = withHelp(
    new Command('key')
      .summary('API keys of a server: create, list, rotate, revoke')
      .description(
        'API keys of a server, of all its tenants. Run it on the machine of the server, in its folder or with --state. A key is shown once; only a digest of it is kept.',
      )
      .helpCommand(false),
    examples(
      [
        'A key for the nightly jobs of a team',
        'batchwright key create --tenant fraud --name nightly --role submitter',
      ],
      ['A new key in place of one that may have leaked', 'batchwright key rotate k3f... --overlap-hours 0'],
    ),
  );
  const command = (name: string, description: string): Command => {
    const made = new Command(name)
      .summary(description)
      .description(`${description.charAt(0).toUpperCase()}${description.slice(1)}.`);
    key.addCommand(made);
    return made;
  };

  command('create', 'make a key, and show it this once')
    .requiredOption('--name <name>', 'what it is for')
    .addOption(new Option('--role <role>', 'what it allows').choices(API_ROLES).default('submitter'))
    .option('--tenant <tenant>', 'whose it is; a new name makes a new tenant', 'default')
    .action((options: StateOptions & { name: string; role: ApiRole; tenant: string }) =>
      finish(options, (output) =>
        withKeys(options.state, async (keys) => {
          const { name, role, tenant } = options;
          const made = await keys.create({ name, role, tenant });
          output.note(`A ${role} of tenant ${tenant}, shown this once:`);
          output.result(made.key, made);
          return 0;
        }),
      ),
    );

  command('list', 'list all keys, without their secrets').action((options: StateOptions) =>
    finish(options, (output) =>
      withKeys(options.state, async (keys) => {
        const list = await keys.list();
        const rows = list.keys.map((each) => [
          each.prefix,
          each.tenant,
          oneLine(each.name),
          each.role,
          formatTime(each.created_at),
          each.revoked_at !== null
            ? `revoked ${formatTime(each.revoked_at)}`
            : each.expires_at !== null
              ? `until ${formatTime(each.expires_at)}`
              : 'good',
        ]);
        output.result(rows.length === 0 ? 'No keys yet.' : formatTable(COLUMNS, rows, output.width), list);
        return 0;
      }),
    ),
  );

  command('rotate', 'make a key in place of another, which runs out')
    .argument('<prefix>', 'as `key list` shows it')
    .option('--overlap-hours <hours>', 'how long the old one stays good', '24')
    .action((prefix: string, options: StateOptions & { overlapHours: string }) =>
      finish(options, (output) =>
        withKeys(options.state, async (keys) => {
          const made = await keys.rotate(prefix, hours(options.overlapHours));
          output.note(`In place of ${prefix}, which is good for ${options.overlapHours} more hours:`);
          output.result(made.key, made);
          return 0;
        }),
      ),
    );

  command('revoke', 'take a key away, at once')
    .argument('<prefix>', 'as `key list` shows it')
    .action((prefix: string, options: StateOptions) =>
      finish(options, (output) =>
        withKeys(options.state, async (keys) => {
          const revoked = await keys.revoke(prefix);
          output.result(`${revoked.prefix} "${oneLine(revoked.name)}" is revoked.`, revoked);
          return 0;
        }),
      ),
    );
  for (const each of key.commands) withCommonOptions(each.addOption(stateOption()));
  return key;
}

const COLUMNS: readonly TableColumn[] = [
  { header: 'PREFIX' },
  { header: 'TENANT' },
  { header: 'NAME', least: 8 },
  { header: 'ROLE' },
  { header: 'CREATED (UTC)' },
  { header: 'STATE' },
];

async function withKeys(state: string, work: (keys: KeyClient) => Promise<number>): Promise<number> {
  const { withManager } = await import('../with-manager.ts');
  const { createKeyClient } = await import('../../client/key-client.ts');
  return withManager(state, (to) => work(createKeyClient(to)));
}

function hours(text: string): number {
  const number = Number(text);
  if (/^\d+(\.\d+)?$/.test(text) && number <= 8_760) return number;
  throw new Failure(
    'USAGE',
    `--overlap-hours takes a number of hours up to 8760, not ${JSON.stringify(text)}.`,
  );
}
