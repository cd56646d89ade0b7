import { execFile } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { chmod, chown, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { keyFolder, openSigningKey, ownPublicKey, readPublicKey } from './keys.ts';

let root: string;
let folder: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'keys-'));
  folder = join(root, 'config/batchwright');
});
afterEach(() => rm(root, { recursive: true }));

test('the key is made once, for its owner only, and is the same ever after', async () => {
  expect(ownPublicKey(folder)).toBeNull();
  const made = openSigningKey(folder);
  expect((await stat(join(folder, 'signing-key.pem'))).mode & 0o777).toBe(0o600);
  expect((await stat(folder)).mode & 0o777).toBe(0o700);
  expect(await readdir(folder)).toEqual(['signing-key.pem', 'signing-key.pub.pem']);
  expect(openSigningKey(folder).publicKey.keyId).toBe(made.publicKey.keyId);
  expect(ownPublicKey(folder)?.keyId).toBe(made.publicKey.keyId);
  expect(readPublicKey(join(folder, 'signing-key.pub.pem')).keyId).toBe(made.publicKey.keyId);
});

test('a public key that was lost, as by a kill right after the first use, comes back', async () => {
  const made = openSigningKey(folder);
  await rm(join(folder, 'signing-key.pub.pem'));
  openSigningKey(folder);
  expect(ownPublicKey(folder)?.keyId).toBe(made.publicKey.keyId);
});

test('processes that make the key at the same time get one key', async () => {
  const script = `import { openSigningKey } from ${JSON.stringify(join(import.meta.dirname, 'keys.ts'))};
    console.log(openSigningKey(${JSON.stringify(folder)}).publicKey.keyId);`;
  const run = () => promisify(execFile)(process.execPath, ['--input-type=module', '-e', script]);
  const ids = new Set((await Promise.all([run(), run(), run(), run()])).map(({ stdout }) => stdout));
  expect(ids.size).toBe(1);
  expect(await readdir(folder)).toHaveLength(2);
});

test.each([0o640, 0o604, 0o644, 0o666])(
  'a private key that others can read or write (%o) is refused',
  async (mode) => {
    openSigningKey(folder);
    const file = join(folder, 'signing-key.pem');
    await chmod(file, mode);
    expect(() => openSigningKey(folder)).toThrow(/signing-key\.pem cannot be used: others may read it/);
    expect(await readFile(file, 'utf8')).toContain('PRIVATE KEY');
  },
);

test.skipIf(process.getuid?.() !== 0)("another user's key is refused [needs root]", async () => {
  openSigningKey(folder);
  await chown(join(folder, 'signing-key.pem'), 65_534, 65_534);
  expect(() => openSigningKey(folder)).toThrow(/belongs to another user/);
});

test('what is no Ed25519 key is refused with its name', async () => {
  openSigningKey(folder);
  const rsa = generateKeyPairSync('rsa', { modulusLength: 1024 });
  const file = join(root, 'given.pem');
  for (const [content, reason] of [
    [rsa.publicKey.export({ type: 'spki', format: 'pem' }), /rsa, not ed25519/],
    [await readFile(join(folder, 'signing-key.pem')), /private key/],
    ['hello', /no key in PEM/],
  ] as const) {
    await writeFile(file, content);
    expect(() => readPublicKey(file)).toThrow(reason);
  }
  expect(() => readPublicKey(join(root, 'missing.pem'))).toThrow(/cannot be read \(ENOENT\)/);
  await writeFile(join(folder, 'signing-key.pem'), rsa.privateKey.export({ type: 'pkcs8', format: 'pem' }));
  expect(() => openSigningKey(folder)).toThrow(/rsa, not ed25519/);
});

test('the folder follows XDG_CONFIG_HOME, if it is absolute', () => {
  expect(keyFolder({ XDG_CONFIG_HOME: '/x' }, '/home/u')).toBe('/x/batchwright');
  expect(keyFolder({ XDG_CONFIG_HOME: 'x' }, '/home/u')).toBe('/home/u/.config/batchwright');
  expect(keyFolder({}, '/home/u')).toBe('/home/u/.config/batchwright');
});
