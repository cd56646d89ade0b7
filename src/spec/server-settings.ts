import { resolve } from 'node:path';
import { Failure } from '../core/errors.ts';
import { nearest } from '../core/nearest.ts';

/** All settings of a server, as they come out. Paths are absolute. */
export interface ServerSettings {
  readonly state: string;
  readonly host: string;
  readonly port: number;
  readonly tls_cert: string | null;
  readonly tls_key: string | null;
  readonly insecure: boolean;
  readonly storage_roots: readonly string[];
  readonly max_concurrent_jobs: number;
  readonly default_parallelism: number;
  readonly max_input_rows: number;
  readonly result_ttl_hours: number;
  readonly requests_per_minute: number;
  readonly max_body_mb: number;
  readonly max_model_mb: number;
  readonly request_timeout_seconds: number;
}

export type SettingKey = keyof ServerSettings;

interface SettingKind {
  /** Completes "must be ...". */
  readonly is: string;
  /** Undefined: the value does not fit. Texts come from the environment and from flags, other values from YAML. */
  read(given: unknown): ServerSettings[SettingKey] | undefined;
}

export interface ServerSetting extends SettingKind {
  readonly key: SettingKey;
  readonly environment: string;
  readonly flag: string;
  readonly default: ServerSettings[SettingKey];
  /** '': it has none. */
  readonly unit: string;
  readonly sentence: string;
}

const whole = (least: number, most: number): SettingKind => ({
  is: `a whole number from ${least} to ${most}`,
  read(given) {
    const number = typeof given === 'string' && /^\d{1,15}$/.test(given) ? Number(given) : given;
    return Number.isInteger(number) && (number as number) >= least && (number as number) <= most
      ? (number as number)
      : undefined;
  },
});
const text = (is: string, pattern: RegExp): SettingKind => ({
  is,
  read: (given) => (typeof given === 'string' && pattern.test(given) ? given : undefined),
});
const PATH = text('a path', /^[^\p{Cc}]+$/u);
const SWITCH: SettingKind = {
  is: 'true or false',
  read: (given) =>
    typeof given === 'boolean' ? given : given === 'true' ? true : given === 'false' ? false : undefined,
};
/** `tenant=/path`; as text, several are separated by commas. */
const ROOT = /^(?:[a-z0-9][a-z0-9_-]{0,62}|\*)=[^\p{Cc},]+$/u;
const ROOTS: SettingKind = {
  is: 'a list of `tenant=folder`, where the tenant may be `*` and the folder may hold `{tenant}`',
  read(given) {
    const list = typeof given === 'string' ? given.split(',') : given;
    return Array.isArray(list) && list.every((each) => typeof each === 'string' && ROOT.test(each))
      ? list
      : undefined;
  },
};

/** Every setting, once: its names, its default and what it is for. docs/server-settings.md is made from this table. */
export const SERVER_SETTINGS: readonly ServerSetting[] = [
  {
    key: 'state',
    environment: 'BATCHWRIGHT_STATE',
    flag: '--state',
    ...PATH,
    default: '.batchwright',
    unit: '',
    sentence: 'Folder of the ledger, keys, models, workspaces and logs. One server for each.',
  },
  {
    key: 'host',
    environment: 'BATCHWRIGHT_HOST',
    flag: '--host',
    ...text('a host name or an address', /^[\w.:%-]{1,255}$/),
    default: '127.0.0.1',
    unit: '',
    sentence:
      'Address to listen on. Anything but the loopback interface needs `tls_cert` and `tls_key`, or `insecure`.',
  },
  {
    key: 'port',
    environment: 'BATCHWRIGHT_PORT',
    flag: '--port',
    ...whole(0, 65_535),
    default: 8_372,
    unit: '',
    sentence: 'Port to listen on; 0 takes a free one.',
  },
  {
    key: 'tls_cert',
    environment: 'BATCHWRIGHT_TLS_CERT',
    flag: '--tls-cert',
    ...PATH,
    default: null,
    unit: '',
    sentence: 'PEM file of the certificate, with its chain. Together with `tls_key` it turns TLS on.',
  },
  {
    key: 'tls_key',
    environment: 'BATCHWRIGHT_TLS_KEY',
    flag: '--tls-key',
    ...PATH,
    default: null,
    unit: '',
    sentence: 'PEM file of the private key of the certificate.',
  },
  {
    key: 'insecure',
    environment: 'BATCHWRIGHT_INSECURE',
    flag: '--insecure',
    ...SWITCH,
    default: false,
    unit: '',
    sentence:
      'Allow an address that others can reach without TLS: keys then travel in the clear, so something in front has to do it.',
  },
  {
    key: 'storage_roots',
    environment: 'BATCHWRIGHT_STORAGE_ROOTS',
    flag: '--storage-roots',
    ...ROOTS,
    default: ['default=.'],
    unit: '',
    sentence:
      'Folders that jobs of a tenant may read and write, by real path: `tenant=folder`, separated by commas; the first of a tenant is where its relative paths start. `*` stands for every tenant, `{tenant}` in a folder for its name. The state folder is never among them.',
  },
  {
    key: 'max_concurrent_jobs',
    environment: 'BATCH_MAX_CONCURRENT_JOBS',
    flag: '--max-concurrent-jobs',
    ...whole(1, 10_000),
    default: 3,
    unit: 'jobs',
    sentence: 'Jobs of one tenant that are worked on at once; the others wait.',
  },
  {
    key: 'default_parallelism',
    environment: 'BATCH_DEFAULT_PARALLELISM',
    flag: '--default-parallelism',
    ...whole(1, 10_000),
    default: 4,
    unit: 'workers',
    sentence: '`config.parallelism` of jobs that do not say it.',
  },
  {
    key: 'max_input_rows',
    environment: 'BATCH_MAX_INPUT_ROWS',
    flag: '--max-input-rows',
    ...whole(1, 1_000_000_000_000),
    default: 10_000_000,
    unit: 'rows',
    sentence: 'A job whose input has more rows fails with INPUT_TOO_LARGE before anything is scored.',
  },
  {
    key: 'result_ttl_hours',
    environment: 'BATCH_RESULT_TTL_HOURS',
    flag: '--result-ttl-hours',
    ...whole(1, 876_000),
    default: 168,
    unit: 'hours',
    sentence:
      'After a job has ended: how long its results can be fetched over the API, and its staging is kept for a retry.',
  },
  {
    key: 'requests_per_minute',
    environment: 'BATCHWRIGHT_REQUESTS_PER_MINUTE',
    flag: '--requests-per-minute',
    ...whole(1, 1_000_000_000),
    default: 6_000,
    unit: 'requests',
    sentence: 'Requests that a tenant may send in a minute; more are answered with 429.',
  },
  {
    key: 'max_body_mb',
    environment: 'BATCHWRIGHT_MAX_BODY_MB',
    flag: '--max-body-mb',
    ...whole(1, 1_024),
    default: 2,
    unit: 'MiB',
    sentence: 'Largest body of a request, but for uploads of models.',
  },
  {
    key: 'max_model_mb',
    environment: 'BATCHWRIGHT_MAX_MODEL_MB',
    flag: '--max-model-mb',
    ...whole(1, 1_048_576),
    default: 4_096,
    unit: 'MiB',
    sentence: 'Largest file of a model that is uploaded.',
  },
  {
    key: 'request_timeout_seconds',
    environment: 'BATCHWRIGHT_REQUEST_TIMEOUT_SECONDS',
    flag: '--request-timeout-seconds',
    ...whole(1, 3_600),
    default: 30,
    unit: 'seconds',
    sentence: 'A body has to have arrived after this; of an upload, the next bytes of it.',
  },
];

/** Where the values come from: each may be given in a file, in the environment and by a flag; the last one counts. */
export interface SettingSources {
  /** The configuration file's mapping; its relative paths start at `folder`. */
  readonly file: { readonly name: string; readonly folder: string; readonly value: unknown } | null;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** By key. */
  readonly flags: Readonly<Partial<Record<SettingKey, string | boolean>>>;
  /** Absolute: where relative paths of environment, flags and defaults start. */
  readonly folder: string;
}

export interface ResolvedSettings {
  readonly settings: ServerSettings;
  /** Of each: `default`, `--port`, `BATCHWRIGHT_PORT` or the name of the file. */
  readonly origins: Readonly<Record<SettingKey, string>>;
}

/** Fails with SETTING_INVALID, in one sentence about the first thing that is wrong. */
export function resolveServerSettings(sources: SettingSources): ResolvedSettings {
  const { file, environment, flags, folder } = sources;
  const inFile = fileSettings(file);
  refuseUnknownVariables(environment);
  const settings: Record<string, unknown> = {};
  const origins: Record<string, string> = {};
  for (const setting of SERVER_SETTINGS) {
    const { key } = setting;
    const given = [
      ...(Object.hasOwn(inFile, key)
        ? [{ value: inFile[key], origin: file?.name ?? '', folder: file?.folder ?? folder }]
        : []),
      ...(environment[setting.environment] === undefined
        ? []
        : [{ value: environment[setting.environment], origin: setting.environment, folder }]),
      ...(flags[key] === undefined ? [] : [{ value: flags[key], origin: setting.flag, folder }]),
    ];
    // What is overridden is checked, too: a wrong value would take effect one day.
    const read = given.map((each) => ({ ...each, value: checked(setting, each) }));
    const last = read.at(-1) ?? { value: setting.default, origin: 'default', folder };
    settings[key] = withAbsolutePaths(key, last.value, last.folder);
    origins[key] = last.origin;
  }
  const resolved = settings as unknown as ServerSettings;
  refuseContradictions(resolved);
  return { settings: resolved, origins: origins as Record<SettingKey, string> };
}

/** Addresses that only this machine reaches. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

/** The folders of a tenant, in the order of the setting. */
export function storageRootsOf(
  tenant: string,
  { storage_roots }: Pick<ServerSettings, 'storage_roots'>,
): string[] {
  return storage_roots.flatMap((each) => {
    const at = each.indexOf('=');
    const of = each.slice(0, at);
    return of === tenant || of === '*' ? [each.slice(at + 1).replaceAll('{tenant}', tenant)] : [];
  });
}

function fileSettings(file: SettingSources['file']): Record<string, unknown> {
  if (file === null) return {};
  const { name, value } = file;
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid(`${name} must be a mapping of settings.`, name);
  const keys = SERVER_SETTINGS.map(({ key }) => key);
  const unknown = Object.keys(value).find((key) => !keys.includes(key as SettingKey));
  if (unknown !== undefined) throw invalid(`${name}: ${unknown} is no setting${hint(unknown, keys)}`, name);
  return value as Record<string, unknown>;
}

/** Variables of ours that are no settings. */
const OTHER_VARIABLES = [
  'BATCHWRIGHT_TOKEN',
  'BATCHWRIGHT_DEBUG',
  'BATCHWRIGHT_PARENT_PIPE',
  'BATCHWRIGHT_API_KEY',
];

/** `BATCH_` is a prefix of others, too: there, only what looks like a misspelt one of ours is refused. */
function refuseUnknownVariables(environment: SettingSources['environment']): void {
  const known = SERVER_SETTINGS.map((setting) => setting.environment);
  for (const name of Object.keys(environment)) {
    if (!/^BATCH(WRIGHT)?_/.test(name) || known.includes(name) || OTHER_VARIABLES.includes(name)) continue;
    if (name.startsWith('BATCHWRIGHT_') || nearest(name, known) !== undefined)
      throw invalid(`The environment variable ${name} is no setting${hint(name, known)}`);
  }
}

function checked(
  setting: ServerSetting,
  { value, origin }: { readonly value: unknown; readonly origin: string },
): unknown {
  const read = setting.read(value);
  if (read !== undefined) return read;
  const where =
    origin === setting.flag || origin === setting.environment ? origin : `${origin}: ${setting.key}`;
  const shown = typeof value === 'string' ? JSON.stringify(value.slice(0, 60)) : String(value).slice(0, 60);
  throw invalid(`${where} must be ${setting.is}, not ${shown}.`);
}

function withAbsolutePaths(key: SettingKey, value: unknown, folder: string): unknown {
  if (key === 'storage_roots') {
    return (value as readonly string[]).map((each) => {
      const at = each.indexOf('=') + 1;
      return each.slice(0, at) + resolve(folder, each.slice(at));
    });
  }
  const isPath = key === 'state' || key === 'tls_cert' || key === 'tls_key';
  return isPath && typeof value === 'string' ? resolve(folder, value) : value;
}

function refuseContradictions({ host, tls_cert, tls_key, insecure }: ServerSettings): void {
  if ((tls_cert === null) !== (tls_key === null)) {
    const [there, missing] = tls_cert === null ? ['tls_key', 'tls_cert'] : ['tls_cert', 'tls_key'];
    throw invalid(`${there} is set without ${missing}; TLS needs both.`);
  }
  if (isLoopback(host) || tls_cert !== null || insecure) return;
  throw new Failure(
    'SETTING_INVALID',
    `${host} can be reached from other machines, and keys would travel in the clear.`,
    { next: 'Give --tls-cert and --tls-key; or --insecure, if something in front does TLS.' },
  );
}

function hint(word: string, known: readonly string[]): string {
  const near = nearest(word, known);
  return near === undefined ? '.' : `; did you mean ${near}?`;
}

function invalid(message: string, file?: string): Failure {
  return new Failure('SETTING_INVALID', message, file === undefined ? {} : { place: { file } });
}
