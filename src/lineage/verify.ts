import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { open, readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { Counts } from '../core/counts.ts';
import { Failure } from '../core/errors.ts';
import { MANIFEST_FILE, MANIFEST_PREDICATE_TYPE, MANIFEST_STATEMENT_TYPE } from '../core/manifest.ts';
import { fileSha256 } from '../storage/file-sha256.ts';
import { errnoOf, fsFailure, isAbsent } from '../storage/fs-failure.ts';
import {
  type Envelope,
  isSignedBy,
  malformed,
  type PublicKey,
  publicKeyFromSpki,
  readEnvelope,
  readPayload,
} from './dsse.ts';
import type { Statement } from './statement.ts';

export interface VerifiedDataset {
  readonly location: string;
  /** One per manifest: one for a new or overwritten dataset, one for each job that appended. */
  readonly results: readonly VerifiedResult[];
  readonly files: number;
  readonly sizeBytes: number;
}

export interface VerifiedResult {
  readonly manifest: string;
  readonly manifestSha256: string;
  readonly keyId: string;
  readonly statement: Statement;
}

export interface VerifyOptions {
  readonly trustedKeys: readonly PublicKey[];
  readonly signal: AbortSignal;
}

/**
 * Proves that a published folder is what its jobs published: every manifest well-formed and signed by a trusted key,
 * every file named by one, with the bytes it was published with, and no other file. Manifests count at the top and in
 * the folders right below it.
 *
 * It cannot know that a job's whole sub-folder was taken out of an appended dataset, nor that a whole valid result was put
 * in the place of another: for that, look at the jobs in the report.
 *
 * Fails with VERIFY_NOT_A_RESULT, VERIFY_MANIFEST, VERIFY_FOREIGN_KEY, VERIFY_PART_ADDED, VERIFY_PART_MISSING or
 * VERIFY_PART_CHANGED, naming the file.
 */
export async function verifyDataset(folder: string, options: VerifyOptions): Promise<VerifiedDataset> {
  const found = await filesBelow(folder);
  const manifests = [...found].filter((file) => /^([^/]+\/)?_manifest\.json$/.test(file)).sort();
  if (manifests.length === 0) {
    throw new Failure('VERIFY_NOT_A_RESULT', `${folder} holds no ${MANIFEST_FILE}.`, {
      place: { file: folder },
    });
  }
  const results: VerifiedResult[] = [];
  const named = new Map<string, string>();
  for (const manifest of manifests) {
    const result = await verifyManifest(folder, manifest, options.trustedKeys);
    results.push(result);
    for (const { name, digest } of result.statement.subject) {
      named.set(manifest.slice(0, -MANIFEST_FILE.length) + name, digest.sha256);
    }
  }
  refuseAddedAndMissing(folder, found, new Set(manifests), named);
  let sizeBytes = 0;
  for (const [file, sha256] of named)
    sizeBytes += await verifyFile(join(folder, file), sha256, options.signal);
  return { location: folder, results, files: named.size, sizeBytes };
}

async function verifyManifest(
  folder: string,
  manifest: string,
  trusted: readonly PublicKey[],
): Promise<VerifiedResult> {
  const path = join(folder, manifest);
  const bytes = await readFile(path).catch((error: unknown) => {
    throw fsFailure(error, 'Reading the manifest', path, 'SOURCE_UNREADABLE');
  });
  const envelope = readEnvelope(bytes, path);
  const key = trusted.find(({ keyId }) => keyId === envelope.keyId);
  if (key === undefined) throw notTrusted(envelope, path);
  if (!isSignedBy(envelope, key)) throw malformed(path, 'its signature does not fit its content');
  const manifestSha256 = createHash('sha256').update(bytes).digest('hex');
  return { manifest: path, manifestSha256, keyId: key.keyId, statement: statementIn(envelope, path) };
}

/** Tells a good signature by a stranger from a broken one; the key that says so comes from the manifest itself. */
function notTrusted(envelope: Envelope, path: string): Failure {
  const { signer } = statementIn(envelope, path).predicate;
  const stranger = publicKeyFromSpki(Buffer.from(String(signer?.publicKey), 'base64'));
  if (stranger === null || !isSignedBy(envelope, stranger)) {
    return malformed(path, 'its signature does not fit its content');
  }
  return new Failure(
    'VERIFY_FOREIGN_KEY',
    `The manifest ${path} is signed by key ${envelope.keyId}, which is not trusted here.`,
    {
      place: { file: path },
    },
  );
}

function statementIn(envelope: Envelope, path: string): Statement {
  const statement = readPayload(envelope, path) as Partial<Statement>;
  if (statement._type !== MANIFEST_STATEMENT_TYPE || statement.predicateType !== MANIFEST_PREDICATE_TYPE) {
    throw malformed(path, 'it is a statement of another kind');
  }
  const { subject, predicate } = statement;
  if (!Array.isArray(subject) || typeof predicate?.job?.id !== 'string' || !isCounts(predicate.counts)) {
    throw malformed(path, 'files, job or counts are missing');
  }
  const names = new Set<string>();
  for (const each of subject as readonly unknown[]) {
    const { name, digest } = Object(each) as { name?: unknown; digest?: { sha256?: unknown } };
    if (typeof name !== 'string' || !isPlainPath(name))
      throw malformed(path, `it names the file ${JSON.stringify(name)}`);
    if (!/^[0-9a-f]{64}$/.test(String(digest?.sha256)))
      throw malformed(path, `it gives no SHA-256 for ${name}`);
    if (names.has(name)) throw malformed(path, `it names ${name} twice`);
    names.add(name);
  }
  return statement as Statement;
}

function isCounts(counts: Counts | undefined): boolean {
  return [counts?.read, counts?.scored, counts?.rejected, counts?.filtered].every(Number.isSafeInteger);
}

/** Relative, below its folder, in one spelling. */
function isPlainPath(name: string): boolean {
  const parts = name.split('/');
  return !name.includes('\0') && !parts.some((part) => part === '' || part === '.' || part === '..');
}

function refuseAddedAndMissing(
  folder: string,
  found: ReadonlySet<string>,
  manifests: ReadonlySet<string>,
  named: ReadonlyMap<string, string>,
): void {
  for (const file of found) {
    if (manifests.has(file) || named.has(file)) continue;
    throw new Failure('VERIFY_PART_ADDED', `${join(folder, file)} is not named by any manifest.`, {
      place: { file: join(folder, file) },
    });
  }
  for (const file of named.keys()) {
    if (found.has(file)) continue;
    throw new Failure('VERIFY_PART_MISSING', `${join(folder, file)} was published and is missing.`, {
      place: { file: join(folder, file) },
    });
  }
}

/** The file's size. */
async function verifyFile(path: string, sha256: string, signal: AbortSignal): Promise<number> {
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      if (!(await file.stat()).isFile()) throw changed(path, 'is no plain file');
      const found = await fileSha256(file, signal);
      if (found.sha256 !== sha256) throw changed(path, 'has other bytes than were published');
      return found.sizeBytes;
    } finally {
      await file.close();
    }
  } catch (error) {
    if (errnoOf(error) === 'ELOOP') throw changed(path, 'is a link');
    throw fsFailure(error, 'Reading a part', path, 'SOURCE_UNREADABLE');
  }
}

function changed(path: string, how: string): Failure {
  return new Failure('VERIFY_PART_CHANGED', `${path} ${how}.`, { place: { file: path } });
}

/** Everything that is no folder, links included, which are not followed. */
async function filesBelow(folder: string): Promise<Set<string>> {
  try {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => !entry.isDirectory());
    return new Set(files.map((entry) => relative(folder, join(entry.parentPath, entry.name))));
  } catch (error) {
    if (isAbsent(error)) {
      throw new Failure('VERIFY_NOT_A_RESULT', `${folder} is not a folder.`, {
        place: { file: folder },
        cause: error,
      });
    }
    throw fsFailure(error, 'Listing the result', folder, 'SOURCE_UNREADABLE');
  }
}
