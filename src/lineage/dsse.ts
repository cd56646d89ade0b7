import { createHash, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { canonicalJson } from '../core/canonical-json.ts';
import { Failure } from '../core/errors.ts';
import { MANIFEST_PAYLOAD_TYPE } from '../core/manifest.ts';

/**
 * DSSE 1.0 (https://github.com/secure-systems-lab/dsse), with one Ed25519 signature, and stricter than it asks for: there
 * is exactly one spelling of an envelope (canonical JSON and a line feed, canonical base64), so that no byte of a
 * manifest can be changed without notice. That includes what DSSE leaves unsigned, and members that stand twice.
 */
export interface SigningKey {
  readonly publicKey: PublicKey;
  readonly privateKey: KeyObject;
}

export interface PublicKey {
  /** SHA-256 (hex) of `spki`. */
  readonly keyId: string;
  readonly key: KeyObject;
  /** The key as SubjectPublicKeyInfo in DER. */
  readonly spki: Buffer;
}

export interface Envelope {
  readonly payload: Buffer;
  readonly keyId: string;
  readonly signature: Buffer;
}

export function publicKeyOf(key: KeyObject): PublicKey {
  const spki = key.export({ type: 'spki', format: 'der' });
  return { keyId: createHash('sha256').update(spki).digest('hex'), key, spki };
}

/** Null for anything that is not an Ed25519 key in SPKI, DER. */
export function publicKeyFromSpki(spki: Buffer): PublicKey | null {
  try {
    const key = createPublicKey({ key: spki, format: 'der', type: 'spki' });
    return key.asymmetricKeyType === 'ed25519' ? publicKeyOf(key) : null;
  } catch {
    return null;
  }
}

/** The bytes of the signed envelope around a JSON value. */
export function signJson(value: unknown, { publicKey, privateKey }: SigningKey): Uint8Array {
  const payload = Buffer.from(canonicalJson(value));
  return encode({
    payload,
    keyId: publicKey.keyId,
    signature: sign(null, preAuthEncoding(payload), privateKey),
  });
}

export function isSignedBy({ payload, signature, keyId }: Envelope, publicKey: PublicKey): boolean {
  return keyId === publicKey.keyId && verify(null, preAuthEncoding(payload), publicKey.key, signature);
}

/** Reads an envelope without judging its signature. Fails with VERIFY_MANIFEST, naming `file`. */
export function readEnvelope(bytes: Buffer, file: string): Envelope {
  const raw = parse(bytes, file);
  if (raw.payloadType !== MANIFEST_PAYLOAD_TYPE) throw malformed(file, 'its payload is of another type');
  if (!Array.isArray(raw.signatures) || raw.signatures.length === 0)
    throw malformed(file, 'it is not signed');
  if (raw.signatures.length > 1) throw malformed(file, 'it has more than one signature');
  const { keyid, sig } = Object(raw.signatures[0]) as { keyid?: unknown; sig?: unknown };
  if (typeof raw.payload !== 'string' || typeof keyid !== 'string' || typeof sig !== 'string') {
    throw malformed(file, 'payload, keyid or sig is missing');
  }
  const envelope = {
    payload: Buffer.from(raw.payload, 'base64'),
    keyId: keyid,
    signature: Buffer.from(sig, 'base64'),
  };
  if (!Buffer.from(encode(envelope)).equals(bytes))
    throw malformed(file, 'it is not spelled in the one way it is written in');
  return envelope;
}

/** The payload's JSON value. Fails with VERIFY_MANIFEST unless it is spelled canonically. */
export function readPayload({ payload }: Envelope, file: string): unknown {
  const value: unknown = parse(payload, file);
  let spelled: Buffer;
  try {
    spelled = Buffer.from(canonicalJson(value));
  } catch (error) {
    // Nested deeper than the stack: nothing that we wrote.
    if (error instanceof RangeError) throw malformed(file, 'it is nested too deeply');
    throw error;
  }
  if (!spelled.equals(payload))
    throw malformed(file, 'its statement is not spelled in the one way it is written in');
  return value;
}

export function malformed(file: string, why: string): Failure {
  return new Failure('VERIFY_MANIFEST', `The manifest ${file} is not one to trust: ${why}.`, {
    place: { file },
  });
}

function encode({ payload, keyId, signature }: Envelope): Uint8Array {
  const envelope = {
    payload: payload.toString('base64'),
    payloadType: MANIFEST_PAYLOAD_TYPE,
    signatures: [{ keyid: keyId, sig: signature.toString('base64') }],
  };
  return Buffer.from(`${canonicalJson(envelope)}\n`);
}

/** PAE of the DSSE protocol, version 1. Lengths are in bytes. */
function preAuthEncoding(payload: Buffer): Buffer {
  const head = `DSSEv1 ${Buffer.byteLength(MANIFEST_PAYLOAD_TYPE)} ${MANIFEST_PAYLOAD_TYPE} ${payload.length} `;
  return Buffer.concat([Buffer.from(head), payload]);
}

function parse(bytes: Buffer, file: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    throw malformed(file, 'it is not JSON');
  }
  if (typeof value !== 'object' || value === null) throw malformed(file, 'it is not a JSON object');
  return value as Record<string, unknown>;
}
