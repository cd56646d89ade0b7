import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { Failure } from '../core/errors.ts';
import type { SecretSpec } from '../spec/connections.ts';
import { resolveSecret } from './secrets.ts';
import { parseTableName } from './table-name.ts';

const folder = mkdtempSync(join(tmpdir(), 'secrets-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function refusal(secret: SecretSpec): Promise<string> {
  try {
    await resolveSecret('db', secret);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    // All that could be logged of it, with what caused it.
    return `${error.code} ${error.message} ${JSON.stringify(error)} ${String((error.cause as Error | undefined)?.message)}`;
  }
  return 'it was found';
}

test('from a variable, a file and a command, without the line end', async () => {
  writeFileSync(join(folder, 's'), ' s3cret \n');
  process.env.TEST_SECRET = 's3cret';
  process.env.TEST_OTHER = 'other';
  expect(await resolveSecret('db', { env: 'TEST_SECRET' })).toBe('s3cret');
  expect(await resolveSecret('db', { file: join(folder, 's') })).toBe(' s3cret ');
  const exec = [process.execPath, '-e', 'console.log(process.env.TEST_SECRET + process.env.TEST_OTHER)'];
  expect(await resolveSecret('db', { exec, environment: ['TEST_SECRET'] })).toBe('s3cretundefined');
});

test('what cannot be had is told by its place, never by what was found', async () => {
  writeFileSync(join(folder, 'empty'), '\n');
  expect(await refusal({ env: 'TEST_NOT_SET' })).toMatch(/^SECRET_MISSING .*TEST_NOT_SET is not set/);
  expect(await refusal({ file: join(folder, 'none') })).toMatch(/ENOENT/);
  expect(await refusal({ file: join(folder, 'empty') })).toMatch(/is empty/);
  expect(await refusal({ exec: ['/no/such/program'] })).toMatch(/is not there/);
  const leaking = await refusal({
    exec: [process.execPath, '-e', 'console.log("canary"); console.error("canary"); process.exit(3)'],
  });
  expect(leaking).toMatch(/ended with code 3/);
  expect(leaking).not.toMatch(/"canary"|canary\n/);
});

test.each([
  ['orders', ['orders']],
  ['shop.orders', ['shop', 'orders']],
  ['"odd.schema"."a ""b"""', ['odd.schema', 'a "b"']],
  ['a."b.c".d', ['a', 'b.c', 'd']],
])('the name of a table: %s', (text, parts) => {
  expect(parseTableName(text)).toEqual(parts);
});

test.each(['', '.', 'a.', '.a', '"a', 'a"b', '"a"b', 'a..b', '""'])('no name of a table: %j', (text) => {
  expect(() => parseTableName(text)).toThrow(/no name of a table/);
});
