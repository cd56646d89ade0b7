import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const SCRIPT = join(import.meta.dirname, '..', 'scripts', 'kills.ts');

test('kill -9 of worker, task, manager or all, in every state: the same multiset, never a partial result', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [SCRIPT, '--hits', '1', '--rows', '200000']);
  expect(stdout).toContain('no violation');
}, 900_000);
