import { expect, test } from 'vitest';
import {
  isLoopback,
  resolveServerSettings,
  SERVER_SETTINGS,
  type SettingSources,
  storageRootsOf,
} from './server-settings.ts';

const resolve = (sources: Partial<SettingSources> = {}) =>
  resolveServerSettings({ file: null, environment: {}, flags: {}, folder: '/work', ...sources });
const file = (value: unknown) => ({ name: 'server.yaml', folder: '/etc/bw', value });

test('names, variables and flags are each one setting’s, and fit each other', () => {
  for (const { key, environment, flag } of SERVER_SETTINGS) {
    expect(flag).toBe(`--${key.replaceAll('_', '-')}`);
    expect(environment).toMatch(new RegExp(`^BATCH(WRIGHT)?_${key.toUpperCase()}$`));
  }
  expect(new Set(SERVER_SETTINGS.map(({ key }) => key)).size).toBe(SERVER_SETTINGS.length);
});

test('the promised variables have the promised defaults', () => {
  const promised = SERVER_SETTINGS.filter(({ environment }) => environment.startsWith('BATCH_'));
  expect(Object.fromEntries(promised.map((each) => [each.environment, each.default]))).toEqual({
    BATCH_MAX_CONCURRENT_JOBS: 3,
    BATCH_DEFAULT_PARALLELISM: 4,
    BATCH_MAX_INPUT_ROWS: 10_000_000,
    BATCH_RESULT_TTL_HOURS: 168,
  });
});

test('every default may be said, too', () => {
  for (const setting of SERVER_SETTINGS) {
    if (setting.default !== null) expect(setting.read(setting.default), setting.key).toEqual(setting.default);
  }
});

test('flags count more than the environment, that more than the file, that more than defaults', () => {
  const value = { port: 1, max_input_rows: 1 };
  const environment = { BATCHWRIGHT_PORT: '2', PATH: '/bin' };
  const { settings, origins } = resolve({ file: file(value), environment, flags: { port: '3' } });
  expect([settings.port, origins.port]).toEqual([3, '--port']);
  expect([settings.max_input_rows, origins.max_input_rows]).toEqual([1, 'server.yaml']);
  expect(origins.host).toBe('default');
  expect(resolve({ file: file(value), environment }).settings.port).toBe(2);
});

test('relative paths start where they were said', () => {
  const value = { state: 's', storage_roots: ['a=data/{tenant}'] };
  const { settings } = resolve({ file: file(value), flags: { tls_cert: 'c', tls_key: '/k' } });
  expect([settings.state, settings.tls_cert, settings.tls_key]).toEqual(['/etc/bw/s', '/work/c', '/k']);
  expect(storageRootsOf('a', settings)).toEqual(['/etc/bw/data/a']);
  expect(storageRootsOf('b', settings)).toEqual([]);
});

test('folders of a tenant are its own and those of all, in their order', () => {
  const { settings } = resolve({ flags: { storage_roots: 'a=/one,*=/all/{tenant},a=/two' } });
  expect(storageRootsOf('a', settings)).toEqual(['/one', '/all/a', '/two']);
  expect(storageRootsOf('b', settings)).toEqual(['/all/b']);
});

test.each<[string, Partial<SettingSources>, string]>([
  ['an unknown key', { file: file({ prot: 1 }) }, 'server.yaml: prot is no setting; did you mean port?'],
  ['a file that is a list', { file: file([]) }, 'server.yaml must be a mapping of settings.'],
  [
    'a text for a number',
    { file: file({ port: 'x' }) },
    'server.yaml: port must be a whole number from 0 to 65535, not "x".',
  ],
  ['a number for a path', { file: file({ state: 7 }) }, 'server.yaml: state must be a path, not 7.'],
  ['a fraction', { flags: { max_input_rows: '1.5' } }, '--max-input-rows must be a whole number'],
  ['nothing', { environment: { BATCHWRIGHT_PORT: '' } }, 'BATCHWRIGHT_PORT must be a whole number'],
  [
    'a wrong value that is overridden',
    { file: file({ port: -1 }), flags: { port: '1' } },
    'server.yaml: port must be',
  ],
  ['an unknown variable', { environment: { BATCHWRIGHT_NO: '1' } }, 'BATCHWRIGHT_NO is no setting'],
  [
    'a misspelt variable',
    { environment: { BATCH_MAX_INPUT_ROW: '1' } },
    'did you mean BATCH_MAX_INPUT_ROWS?',
  ],
  ['a root without a tenant', { flags: { storage_roots: '/data' } }, '--storage-roots must be a list of'],
  ['TLS without a key', { flags: { tls_cert: 'c' } }, 'tls_cert is set without tls_key'],
  ['a wide bind without TLS', { flags: { host: '0.0.0.0' } }, '0.0.0.0 can be reached from other machines'],
  ['a name that others can reach', { flags: { host: 'example.org' } }, 'example.org can be reached'],
])('%s is refused in one sentence', (_, sources, sentence) => {
  expect(() => resolve(sources)).toThrow(sentence);
  expect(() => resolve(sources)).toThrow(expect.objectContaining({ code: 'SETTING_INVALID' }));
});

test('a wide bind is taken with TLS, or where it is said to be insecure; others’ variables are left alone', () => {
  expect(resolve({ flags: { host: '0.0.0.0', insecure: true } }).settings.host).toBe('0.0.0.0');
  expect(resolve({ flags: { host: '::', tls_cert: 'c', tls_key: 'k' } }).settings.tls_key).toBe('/work/k');
  expect(resolve({ environment: { BATCH_FILE_TYPE: 'script' } }).origins.port).toBe('default');
});

test.each(['127.0.0.1', '127.8.8.8', '::1', 'localhost'])('%s is this machine', (host) => {
  expect(isLoopback(host)).toBe(true);
});
test.each(['0.0.0.0', '::', '10.0.0.1', '127.evil.example', '1270.0.0.1', ''])('%s is not', (host) => {
  expect(isLoopback(host)).toBe(false);
});
