import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { cp, mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { canonicalJson } from '../core/canonical-json.ts';
import type { Failure } from '../core/errors.ts';
import { MANIFEST_PAYLOAD_TYPE } from '../core/manifest.ts';
import type { TaskJob } from '../core/wire.ts';
import { type PublicKey, publicKeyOf, type SigningKey, signJson } from './dsse.ts';
import { createStatement, type Statement } from './statement.ts';
import { verifyDataset } from './verify.ts';

const newKey = (): SigningKey => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  return { privateKey, publicKey: publicKeyOf(publicKey) };
};
const KEY = newKey();
const PARTS = {
  'part-a.parquet': 'first part',
  'part-b.parquet': 'second',
  '_rejects/rejects-a.parquet': 'bad',
};

function statementOf(jobId: string, key: SigningKey, files: Record<string, string> = PARTS): Statement {
  const job: TaskJob = {
    tenant: 'default',
    jobId,
    name: 'churn',
    owner: null,
    spec: { name: 'churn', tags: { team: 'growth' }, provenance: {} },
    registered: null,
    modelSha256: 'm',
    adopt: false,
    retry: null,
    createdMs: 0,
    firstClaimMs: 1,
    lastCompleteMs: null,
    counts: { read: 3, scored: 2, rejected: 1, filtered: 0 },
    checks: [],
    resumes: 0,
    retries: 0,
    pinned: {
      snapshot: { files: [], columns: [], rows: 3 },
      bound: {
        model: { reference: 'm.onnx', key: 'm', sha256: 'm', companions: [] },
        signature: { inputs: [], outputs: [] },
        binding: { inputs: [], outputs: [] },
        where: null,
        key: null,
        include: [],
      },
      parts: [
        {
          shardId: 7,
          attempt: 2,
          range: { start: 0, end: 3 },
          counts: { read: 3, scored: 2, rejected: 1, filtered: 0 },
          part: { key: 'staged/part-a.parquet', rows: 2, sizeBytes: 10, sha256: '' },
          rejects: { key: 'staged/_rejects/rejects-a.parquet', rows: 1, sizeBytes: 3, sha256: '' },
        },
      ],
    },
    workspace: 'w',
    modelStore: 's',
  };
  return createStatement({
    columns: [{ name: 'n', type: 'INTEGER' }],
    job,
    files: Object.entries(files).map(([path, content]) => ({
      path,
      kind: path.startsWith('_') ? 'rejects' : 'part',
      key: `staged/${path}`,
      rows: 1,
      sizeBytes: content.length,
      sha256: createHash('sha256').update(content).digest('hex'),
    })),
    code: { name: 'batchwright', version: '0.0.0' },
    environment: { node: '24', platform: 'linux', arch: 'x64', runtimes: {} },
    signer: key.publicKey,
    publishedMs: 2,
  });
}

async function write(
  folder: string,
  statement: unknown,
  key: SigningKey,
  files: Record<string, string> = PARTS,
) {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), content);
  }
  await writeFile(join(folder, '_manifest.json'), signJson(statement, key));
}

let root: string;
let folder: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'verify-'));
  await write(join(root, 'good'), statementOf('job-1', KEY), KEY);
});
afterAll(() => rm(root, { recursive: true }));
beforeEach(async () => {
  folder = join(await mkdtemp(join(root, 'case-')), 'scores');
  await cp(join(root, 'good'), folder, { recursive: true });
});

const verify = (keys: readonly PublicKey[] = [KEY.publicKey]) =>
  verifyDataset(folder, { trustedKeys: keys, signal: new AbortController().signal });
const refusal = (keys?: readonly PublicKey[]): Promise<Failure> =>
  verify(keys).then(
    () => expect.fail('it was verified'),
    (error: Failure) => error,
  );
const file = (path: string) => join(folder, path);

test('an untouched result is verified, and the report says whose it is', async () => {
  const report = await verify();
  expect(report).toMatchObject({ location: folder, files: 3, sizeBytes: 19 });
  expect(report.results).toHaveLength(1);
  expect(report.results[0]?.statement.predicate).toMatchObject({
    job: { id: 'job-1', submittedAt: '1970-01-01T00:00:00.000Z', lastCompleteAt: null },
    files: [
      { path: 'part-a.parquet', shard: { id: 7, attempt: 2, range: { start: 0, end: 3 } } },
      { path: 'part-b.parquet', shard: null },
      { path: '_rejects/rejects-a.parquet', shard: { id: 7 } },
    ],
    counts: { read: 3 },
  });
});

test('the envelope is what the DSSE protocol says, so that other tools verify it', async () => {
  const envelope = JSON.parse(await readFile(file('_manifest.json'), 'utf8'));
  expect(envelope.payloadType).toBe('application/vnd.in-toto+json');
  const payload = Buffer.from(envelope.payload, 'base64').toString();
  const expected = sign(
    null,
    Buffer.from(`DSSEv1 28 application/vnd.in-toto+json ${payload.length} ${payload}`),
    KEY.privateKey,
  );
  expect(envelope.signatures).toEqual([{ keyid: KEY.publicKey.keyId, sig: expected.toString('base64') }]);
});

test.each<[string, () => Promise<unknown>, string, string]>([
  [
    'a changed byte in a part',
    () => writeFile(file('part-a.parquet'), 'First part'),
    'VERIFY_PART_CHANGED',
    'part-a.parquet',
  ],
  [
    'a byte more in a part',
    () => writeFile(file('part-b.parquet'), 'second!'),
    'VERIFY_PART_CHANGED',
    'part-b.parquet',
  ],
  ['a missing part', () => rm(file('part-a.parquet')), 'VERIFY_PART_MISSING', 'part-a.parquet'],
  [
    'missing rejects',
    () => rm(file('_rejects'), { recursive: true }),
    'VERIFY_PART_MISSING',
    'rejects-a.parquet',
  ],
  ['an added part', () => writeFile(file('part-c.parquet'), ''), 'VERIFY_PART_ADDED', 'part-c.parquet'],
  ['an added hidden file', () => writeFile(file('.x'), ''), 'VERIFY_PART_ADDED', '.x'],
  ['added rejects', () => writeFile(file('_rejects/more'), ''), 'VERIFY_PART_ADDED', '_rejects/more'],
  ['an added link to a folder', () => symlink('/etc', file('link')), 'VERIFY_PART_ADDED', 'link'],
  [
    'two parts exchanged',
    async () => {
      await rename(file('part-a.parquet'), file('x'));
      await rename(file('part-b.parquet'), file('part-a.parquet'));
      await rename(file('x'), file('part-b.parquet'));
    },
    'VERIFY_PART_CHANGED',
    'part-a.parquet',
  ],
  [
    'a link in the place of a part, with its very bytes',
    async () => {
      await rename(file('part-a.parquet'), join(root, 'moved'));
      await symlink(join(root, 'moved'), file('part-a.parquet'));
    },
    'VERIFY_PART_CHANGED',
    'part-a.parquet',
  ],
  ['no manifest', () => rm(file('_manifest.json')), 'VERIFY_NOT_A_RESULT', 'scores'],
  ['no folder', () => rm(folder, { recursive: true }), 'VERIFY_NOT_A_RESULT', 'scores'],
])('%s is refused, and the culprit named', async (_, harm, code, culprit) => {
  await harm();
  const { code: found, message, place } = await refusal();
  expect(found).toBe(code);
  expect(message).toContain(culprit);
  expect(place.file).toContain(culprit);
});

test('a good signature by a key that is not trusted is told apart from a broken one', async () => {
  const stranger = newKey();
  await write(folder, statementOf('job-1', stranger), stranger);
  expect(await refusal()).toMatchObject({
    code: 'VERIFY_FOREIGN_KEY',
    message: expect.stringContaining(stranger.publicKey.keyId),
  });
  expect(await refusal([])).toMatchObject({ code: 'VERIFY_FOREIGN_KEY' });
  await expect(verify([KEY.publicKey, stranger.publicKey])).resolves.toBeTruthy();
  // The stranger claims to be us: our name on the signature, or our key in the statement.
  const bytes = await readFile(file('_manifest.json'), 'utf8');
  await writeFile(file('_manifest.json'), bytes.replace(stranger.publicKey.keyId, KEY.publicKey.keyId));
  expect(await refusal()).toMatchObject({ code: 'VERIFY_MANIFEST' });
  await write(folder, statementOf('job-1', KEY), stranger);
  expect(await refusal()).toMatchObject({ code: 'VERIFY_MANIFEST' });
});

test('whatever single byte of the manifest is changed, taken out or put in, it is refused', async () => {
  const good = await readFile(file('_manifest.json'));
  await fc.assert(
    fc.asyncProperty(
      fc.nat(good.length - 1),
      fc.integer({ min: 0, max: 255 }),
      fc.constantFrom('change', 'insert', 'remove'),
      async (at, byte, how) => {
        if (how === 'change' && good[at] === byte) return;
        const middle = how === 'remove' ? [] : [byte];
        const rest = how === 'insert' ? at : at + 1;
        const bad = Buffer.concat([good.subarray(0, at), Buffer.from(middle), good.subarray(rest)]);
        if (bad.equals(good)) return;
        await writeFile(file('_manifest.json'), bad);
        expect((await refusal()).code).toMatch(/^VERIFY_(MANIFEST|FOREIGN_KEY)$/);
      },
    ),
    { numRuns: 1_000 },
  );
});

test('each bit of the places that the signature does not cover is refused too', async () => {
  const good = await readFile(file('_manifest.json'));
  const payloadEnd = good.indexOf('","payloadType"');
  for (let at = payloadEnd; at < good.length; at++) {
    for (let bit = 0; bit < 8; bit++) {
      const bad = Buffer.from(good);
      bad[at] = (bad[at] ?? 0) ^ (1 << bit);
      await writeFile(file('_manifest.json'), bad);
      expect((await refusal()).code, `byte ${at}, bit ${bit}`).toMatch(/^VERIFY_(MANIFEST|FOREIGN_KEY)$/);
    }
  }
});

const signed = (text: string, type = MANIFEST_PAYLOAD_TYPE): string => {
  const sig = sign(
    null,
    Buffer.from(`DSSEv1 ${type.length} ${type} ${Buffer.byteLength(text)} ${text}`),
    KEY.privateKey,
  );
  return `${canonicalJson({
    payload: Buffer.from(text).toString('base64'),
    payloadType: type,
    signatures: [{ keyid: KEY.publicKey.keyId, sig: sig.toString('base64') }],
  })}\n`;
};
const withSubject = (subject: unknown) => signed(canonicalJson({ ...statementOf('job-1', KEY), subject }));
const sha256 = '0'.repeat(64);

test.each<[string, () => string | Promise<string>, RegExp]>([
  [
    'unsigned',
    () => canonicalJson({ payload: '', payloadType: MANIFEST_PAYLOAD_TYPE, signatures: [] }),
    /not signed/,
  ],
  [
    'without signatures',
    () => canonicalJson({ payload: '', payloadType: MANIFEST_PAYLOAD_TYPE }),
    /not signed/,
  ],
  [
    'signed twice',
    async () => {
      const envelope = JSON.parse(await readFile(file('_manifest.json'), 'utf8'));
      return `${canonicalJson({ ...envelope, signatures: [...envelope.signatures, ...envelope.signatures] })}\n`;
    },
    /more than one/,
  ],
  [
    'of another payload type',
    () => signed(canonicalJson(statementOf('job-1', KEY)), 'application/json'),
    /another type/,
  ],
  [
    'with a member twice in its envelope',
    async () => {
      const text = await readFile(file('_manifest.json'), 'utf8');
      return `${text.slice(0, -2)},"payloadType":"${MANIFEST_PAYLOAD_TYPE}"}\n`;
    },
    /one way/,
  ],
  [
    'with a member twice in its statement',
    () => signed(canonicalJson(statementOf('job-1', KEY)).replace('{', '{"_type":"x",')),
    /one way/,
  ],
  [
    'with white space in its statement',
    () => signed(` ${canonicalJson(statementOf('job-1', KEY))}`),
    /one way/,
  ],
  ['nested without end', () => signed('['.repeat(200_000) + ']'.repeat(200_000)), /nested|one way/],
  [
    'of another predicate',
    () => signed(canonicalJson({ ...statementOf('job-1', KEY), predicateType: 'x' })),
    /another kind/,
  ],
  ['null', () => 'null', /not a JSON object/],
  ['empty', () => '', /not JSON/],
  ['without job', () => signed(canonicalJson({ ...statementOf('job-1', KEY), predicate: {} })), /missing/],
  [
    'naming a file twice',
    () =>
      withSubject([
        { name: 'a', digest: { sha256 } },
        { name: 'a', digest: { sha256 } },
      ]),
    /twice/,
  ],
  ['without a digest', () => withSubject([{ name: 'a', digest: { md5: 'x' } }]), /no SHA-256/],
  ...['../escaped', '/etc/passwd', 'a/../../b', './a', 'a//b', '', 'a\0b', '..'].map(
    (name): [string, () => string, RegExp] => [
      `naming ${JSON.stringify(name)}`,
      () => withSubject([{ name, digest: { sha256 } }]),
      /it names the file/,
    ],
  ),
])('a manifest %s is refused, whoever signed it', async (_, make, reason) => {
  await writeFile(file('_manifest.json'), await make());
  expect(await refusal()).toMatchObject({ code: 'VERIFY_MANIFEST', message: expect.stringMatching(reason) });
});

test('an appended dataset is verified as a whole: top and sub-folders, each with its manifest', async () => {
  await write(file('job-2'), statementOf('job-2', KEY), KEY);
  const stranger = newKey();
  expect((await verify()).results.map(({ statement }) => statement.predicate.job.id)).toEqual([
    'job-1',
    'job-2',
  ]);
  await writeFile(file('job-2/part-b.parquet'), 'else');
  expect(await refusal()).toMatchObject({
    code: 'VERIFY_PART_CHANGED',
    place: { file: file('job-2/part-b.parquet') },
  });
  await write(file('job-2'), statementOf('job-2', stranger), stranger);
  expect(await refusal()).toMatchObject({
    code: 'VERIFY_FOREIGN_KEY',
    place: { file: file('job-2/_manifest.json') },
  });
  await rm(file('job-2/_manifest.json'));
  expect(await refusal()).toMatchObject({ code: 'VERIFY_PART_ADDED' });
  await rm(file('job-2'), { recursive: true });
  for (const path of ['_manifest.json', ...Object.keys(PARTS)]) await rm(file(path));
  await write(file('job-2'), statementOf('job-2', KEY), KEY);
  expect((await verify()).results).toHaveLength(1);
});

test('verifying stops when it is told to', async () => {
  const stop = new AbortController();
  stop.abort(new Error('enough'));
  await expect(verifyDataset(folder, { trustedKeys: [KEY.publicKey], signal: stop.signal })).rejects.toThrow(
    'enough',
  );
});
