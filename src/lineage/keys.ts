import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomUUID,
} from 'node:crypto';
import {
  closeSync,
  fstatSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { Failure } from '../core/errors.ts';
import { errnoOf, fsFailure, isAbsent } from '../storage/fs-failure.ts';
import { type PublicKey, publicKeyOf, type SigningKey } from './dsse.ts';

/**
 * The signing key of a user: Ed25519, made at first use, `signing-key.pem` (PKCS 8, mode 0600) with `signing-key.pub.pem`
 * beside it to give away. A private key that others could read or have put there is refused, as ssh does.
 */
const PRIVATE_FILE = 'signing-key.pem';
const PUBLIC_FILE = 'signing-key.pub.pem';

/** `$XDG_CONFIG_HOME/batchwright`, else `~/.config/batchwright`. A relative XDG_CONFIG_HOME does not count, as its standard says. */
export function keyFolder(env: { readonly XDG_CONFIG_HOME?: string | undefined }, home: string): string {
  const given = env.XDG_CONFIG_HOME;
  return join(given?.startsWith('/') ? given : join(home, '.config'), 'batchwright');
}

/** Reads the key, or makes it. Of several processes that make it at once, all get the same. Fails with KEY_UNUSABLE. */
export function openSigningKey(folder: string): SigningKey {
  const file = join(folder, PRIVATE_FILE);
  try {
    const privateKey = readPrivateKey(file) ?? makePrivateKey(folder, file);
    const publicKey = publicKeyOf(createPublicKey(privateKey));
    writeOnce(join(folder, PUBLIC_FILE), publicKey.key.export({ type: 'spki', format: 'pem' }), 0o644);
    return { publicKey, privateKey };
  } catch (error) {
    throw fsFailure(error, 'Opening the signing key', file, 'KEY_UNUSABLE');
  }
}

/** The public half of this user's key, without making one. Null: there is none yet. */
export function ownPublicKey(folder: string): PublicKey | null {
  try {
    return readPublicKey(join(folder, PUBLIC_FILE));
  } catch (error) {
    if (error instanceof Failure && isAbsent(error.cause)) return null;
    throw error;
  }
}

/** A public key in PEM, as another user gave it away. Fails with KEY_UNUSABLE. */
export function readPublicKey(file: string): PublicKey {
  let pem: string;
  try {
    pem = readFileSync(file, 'utf8');
  } catch (error) {
    throw unusable(file, `it cannot be read (${errnoOf(error)})`, error);
  }
  if (pem.includes('PRIVATE KEY')) throw unusable(file, 'it is a private key; give the public one');
  return publicKeyOf(requireEd25519(file, () => createPublicKey(pem)));
}

function readPrivateKey(file: string): KeyObject | null {
  let handle: number;
  try {
    handle = openSync(file, 'r');
  } catch (error) {
    if (isAbsent(error)) return null;
    throw error;
  }
  try {
    const { mode, uid } = fstatSync(handle);
    if ((mode & 0o077) !== 0)
      throw unusable(file, 'others may read it; chmod 600, or better: remove it for a new one');
    const user = process.getuid?.();
    if (user !== undefined && uid !== user) throw unusable(file, `it belongs to another user (uid ${uid})`);
    const pem = readFileSync(handle, 'utf8');
    return requireEd25519(file, () => createPrivateKey(pem));
  } finally {
    closeSync(handle);
  }
}

function makePrivateKey(folder: string, file: string): KeyObject {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { privateKey } = generateKeyPairSync('ed25519');
  writeOnce(file, privateKey.export({ type: 'pkcs8', format: 'pem' }), 0o600);
  const kept = readPrivateKey(file);
  if (kept === null) throw unusable(file, 'it was removed while it was made');
  return kept;
}

/** The file appears whole, and never replaces one that is there. */
function writeOnce(file: string, content: string | Buffer, mode: number): void {
  const temporary = `${file}.${randomUUID()}`;
  try {
    writeFileSync(temporary, content, { mode, flag: 'wx' });
    const handle = openSync(temporary, 'r');
    fsyncSync(handle);
    closeSync(handle);
    linkSync(temporary, file);
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
  } finally {
    removeIfThere(temporary);
  }
}

function removeIfThere(file: string): void {
  try {
    unlinkSync(file);
  } catch (error) {
    if (!isAbsent(error)) throw error;
  }
}

function requireEd25519(file: string, parse: () => KeyObject): KeyObject {
  let key: KeyObject;
  try {
    key = parse();
  } catch (error) {
    throw unusable(file, 'it is no key in PEM', error);
  }
  if (key.asymmetricKeyType !== 'ed25519')
    throw unusable(file, `it is a key of type ${key.asymmetricKeyType}, not ed25519`);
  return key;
}

function unusable(file: string, why: string, cause?: unknown): Failure {
  return new Failure('KEY_UNUSABLE', `The key ${file} cannot be used: ${why}.`, {
    place: { file },
    ...(cause === undefined ? {} : { cause }),
  });
}
