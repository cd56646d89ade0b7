import { Command, Option } from 'commander';
import { SERVER_SETTINGS, type SettingKey } from '../../spec/server-settings.ts';
import { type CommonOptions, finish, withCommonOptions } from '../common-options.ts';
import { examples, withHelp } from '../help.ts';
import type { Output } from '../output.ts';
import { formatTable } from '../table.ts';

interface ServeFlags extends CommonOptions {
  readonly config?: string;
  readonly printConfig: boolean;
  readonly [flag: string]: unknown;
}

export function serveCommand(): Command {
  const command = new Command('serve')
    .summary('take in jobs over HTTP and work on them, until it is stopped')
    .description(
      'Starts a server: an HTTP API, the model registry and local workers, with all its state in one folder. Settings come from a YAML file, the environment and flags; a flag counts most. Unfinished jobs of the folder go on.',
    )
    .addOption(new Option('--config <file>', 'settings, as YAML'))
    .addOption(
      new Option('--print-config', 'show all settings and where each comes from, and end').default(false),
    );
  for (const { flag, default: fallback, sentence, environment } of SERVER_SETTINGS) {
    const takes = typeof fallback === 'boolean' ? flag : `${flag} <${flag.slice(2).split('-').at(-1)}>`;
    const short =
      sentence
        .split(/[.;:] /)[0]
        ?.replaceAll('`', '')
        .replace(/\.$/, '') ?? '';
    const shown =
      fallback === null || fallback === false
        ? environment
        : `${environment}; default: ${[fallback].flat().join(',')}`;
    command.addOption(
      new Option(takes, `${short.charAt(0).toLowerCase()}${short.slice(1)} (${shown})`).helpGroup(
        'Settings:',
      ),
    );
  }
  return withHelp(
    withCommonOptions(command),
    examples(
      ['On this machine only', 'batchwright serve'],
      ['What would hold, and why', 'batchwright serve --config server.yaml --print-config'],
      ['For others, with TLS', 'batchwright serve --host 0.0.0.0 --tls-cert cert.pem --tls-key key.pem'],
    ),
    {
      title: 'While it runs:',
      items: [
        [
          'SIGTERM',
          'or Ctrl-C: finishes the batches in hand and ends; unfinished jobs go on at the next start',
        ],
        ['twice', 'ends everything at once; only the shards under way are scored again'],
      ],
    },
  ).action((options: ServeFlags) => finish(options, (output) => serve(options, output)));
}

async function serve(options: ServeFlags, output: Output): Promise<number> {
  const { readServerSettings } = await import('../server-config.ts');
  const { settings, origins } = readServerSettings(options.config, flagsOf(options));
  if (options.printConfig) {
    const rows = SERVER_SETTINGS.map(({ key, unit }) => [key, shown(settings[key]), unit, origins[key]]);
    output.result(
      formatTable(
        [{ header: 'SETTING' }, { header: 'VALUE' }, { header: 'UNIT' }, { header: 'FROM' }],
        rows,
        null,
      ),
      { settings, origins },
    );
    return 0;
  }
  const { runServer } = await import('../run-server.ts');
  return runServer(settings, output);
}

function flagsOf(options: ServeFlags): Partial<Record<SettingKey, string | boolean>> {
  return Object.fromEntries(
    SERVER_SETTINGS.flatMap(({ key, flag }) => {
      const name = flag.slice(2).replaceAll(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
      const value = options[name];
      return value === undefined ? [] : [[key, value as string | boolean]];
    }),
  );
}

function shown(value: unknown): string {
  return value === null ? '-' : [value].flat().map(String).join(', ');
}
