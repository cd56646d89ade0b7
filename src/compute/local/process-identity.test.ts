import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { isProvablyDead, processIdentity } from './process-identity.ts';

test('a living process is not declared dead, a killed one is', async () => {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
  const identity = processIdentity(child.pid as number);
  expect(isProvablyDead(identity)).toBe(false);
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(isProvablyDead(identity)).toBe(true);
});

test('another process under the same number is not taken for the old one', () => {
  const [scheme, boot, pid, start, namespace] = processIdentity(process.pid).split(':');
  expect(isProvablyDead(`${scheme}:${boot}:${pid}:${Number(start) - 1}:${namespace}`)).toBe(true);
  // In another container the same number may be anybody's.
  expect(isProvablyDead(`${scheme}:${boot}:${pid}:${Number(start) - 1}:${namespace}1`)).toBe(false);
});

test('nothing is known about processes of another machine or boot', () => {
  expect(isProvablyDead('proc:00000000-0000-0000-0000-000000000000:1:1')).toBe(false);
  expect(isProvablyDead('remote:anything')).toBe(false);
});
