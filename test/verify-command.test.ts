import { generateKeyPairSync } from 'node:crypto';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { mlpModel } from './onnx-builder.ts';
import { runCli } from './support/cli.ts';
import { featureNames, writeTable } from './support/parquet.ts';

const home = mkdtempSync(join(tmpdir(), 'batchwright-verify-'));
let parts: string[] = [];

beforeAll(async () => {
  writeFileSync(join(home, 'model.onnx'), mlpModel());
  await writeTable(join(home, 'in.parquet'), { rows: 1_000, features: 20 });
  const flags = ['--key', 'id', '--features', featureNames(20).join(',')];
  const run = await runCli(
    ['run', '--model', 'model.onnx', '--input', 'in.parquet', '--output', 'out', ...flags],
    home,
  );
  expect(run.code, run.stderr).toBe(0);
  parts = readdirSync(join(home, 'out')).filter((name) => name.startsWith('part-'));
}, 60_000);
afterAll(() => rmSync(home, { recursive: true, force: true }));

/** A copy of the result with one thing wrong with it. */
function damaged(name: string, damage: (folder: string) => void): string {
  const folder = join(home, name);
  cpSync(join(home, 'out'), folder, { recursive: true });
  damage(folder);
  return folder;
}

function flipByte(file: string, at: number): void {
  const bytes = readFileSync(file);
  bytes[at] = (bytes[at] as number) ^ 1;
  writeFileSync(file, bytes);
}

test('a result as it was published is verified, key and counts shown', async () => {
  const { code, events } = await runCli(['verify', 'out', '--json'], home);
  expect(code).toBe(0);
  expect(events.at(-1)).toMatchObject({ event: 'verified', files: 1 });
}, 30_000);

const CASES = [
  {
    what: 'a changed byte in a part',
    exit: 4,
    code: 'VERIFY_PART_CHANGED',
    culprit: 'part-',
    damage: (folder: string) => flipByte(join(folder, parts[0] as string), 500),
  },
  {
    what: 'a changed byte in the manifest',
    exit: 4,
    code: 'VERIFY_MANIFEST',
    culprit: '_manifest.json',
    damage: (folder: string) => flipByte(join(folder, '_manifest.json'), 300),
  },
  {
    what: 'a missing part',
    exit: 4,
    code: 'VERIFY_PART_MISSING',
    culprit: 'part-',
    damage: (folder: string) => rmSync(join(folder, parts[0] as string)),
  },
  {
    what: 'an added part',
    exit: 4,
    code: 'VERIFY_PART_ADDED',
    culprit: 'part-extra.parquet',
    damage: (folder: string) => cpSync(join(folder, parts[0] as string), join(folder, 'part-extra.parquet')),
  },
  {
    what: 'a folder without a manifest',
    exit: 4,
    code: 'VERIFY_NOT_A_RESULT',
    culprit: '',
    damage: (folder: string) => rmSync(join(folder, '_manifest.json')),
  },
];

test.each(CASES)(
  '$what is found and named',
  async ({ what, exit, code, culprit, damage }) => {
    const folder = damaged(what.replaceAll(' ', '-'), damage);
    const run = await runCli(['verify', folder, '--json'], home);
    expect(run.code).toBe(exit);
    const { error } = run.events.at(-1) as { error: { code: string; message: string } };
    expect(error.code).toBe(code);
    expect(error.message).toContain(culprit);
  },
  30_000,
);

test('a signature by somebody else has an exit code of its own, until their key is trusted', async () => {
  const stranger = join(home, 'stranger');
  const foreign = await runCli(['verify', 'out', '--json'], home, { XDG_CONFIG_HOME: stranger });
  expect(foreign.code).toBe(5);
  expect(foreign.events.at(-1)).toMatchObject({ error: { code: 'VERIFY_FOREIGN_KEY' } });
  const ours = join(home, '.config', 'batchwright', 'signing-key.pub.pem');
  expect((await runCli(['verify', 'out', '--key', ours], home, { XDG_CONFIG_HOME: stranger })).code).toBe(0);

  const other = join(home, 'other.pem');
  const { publicKey } = generateKeyPairSync('ed25519');
  writeFileSync(other, publicKey.export({ type: 'spki', format: 'pem' }));
  expect((await runCli(['verify', 'out', '--key', other], home)).code).toBe(5);
}, 30_000);
