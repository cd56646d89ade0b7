import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test, vi } from 'vitest';
import { processIdentity } from '../compute/local/process-identity.ts';
import { removeDeadScratch, scratchFolder } from './scratch-folder.ts';

const root = mkdtempSync(join(tmpdir(), 'scratch-test-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

test('what a killed process left is removed; what a living one uses, and what is not ours, stays', () => {
  vi.stubEnv('TMPDIR', root);
  const own = scratchFolder();
  expect(tmpdir()).toBe(own.path);
  vi.unstubAllEnvs();
  expect(readdirSync(root)).toHaveLength(1);
  const [, boot, pid, , namespace] = processIdentity(process.pid).split(':');
  // This process's number, but started at another time: the number was given away again.
  const dead = join(root, `batchwright-proc+${boot}+${pid}+1+${namespace}`);
  const elsewhere = join(root, `batchwright-proc+another-boot+${pid}+1+${namespace}`);
  const strange = join(root, 'somebody-elses');
  for (const folder of [dead, elsewhere, strange]) {
    mkdirSync(folder);
    writeFileSync(join(folder, 'spilled'), 'x');
  }
  removeDeadScratch(root);
  expect([own.path, dead, elsewhere, strange].map(existsSync)).toEqual([true, false, true, true]);
  own.remove();
  expect(existsSync(own.path)).toBe(false);
  removeDeadScratch(join(root, 'not-there'));
});
