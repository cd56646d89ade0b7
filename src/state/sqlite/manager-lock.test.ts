import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { acquireManagerLock } from './manager-lock.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lock-'));
});
const others: ChildProcess[] = [];
afterEach(() => {
  for (const other of others.splice(0)) other.kill('SIGKILL');
  rmSync(folder, { recursive: true });
});

const MODULE = new URL('./manager-lock.ts', import.meta.url).href;

/** A process that takes the lock, says so, and lives until it is killed. */
async function otherManager(before = ''): Promise<ChildProcess> {
  const code = `${before}
    const { acquireManagerLock } = await import(${JSON.stringify(MODULE)});
    globalThis.lock = acquireManagerLock(${JSON.stringify(folder)});
    process.stdout.write('held');
    setInterval(() => {}, 1e6);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  others.push(child);
  await once(child.stdout, 'data');
  return child;
}

test('a second manager is refused and told which process to stop; kill -9 of the first makes way', async () => {
  const other = await otherManager();
  expect(() => acquireManagerLock(folder)).toThrow(`Process ${other.pid} is the manager of ${folder}.`);
  expect(() => acquireManagerLock(folder)).toThrow(expect.objectContaining({ code: 'STATE_LOCKED' }));
  other.kill('SIGKILL');
  await once(other, 'exit');
  using lock = acquireManagerLock(folder);
  expect(lock).toBeDefined();
});

test('a child that outlives a killed manager does not keep its lock', async () => {
  const other = await otherManager(`
    const { spawn } = await import('node:child_process');
    globalThis.lateChild = () => spawn('sleep', ['30'], { stdio: 'ignore' });
    process.on('SIGUSR2', () => { console.log(lateChild().pid); });`);
  const line = once(present(other.stdout), 'data');
  other.kill('SIGUSR2');
  const orphan = Number(String((await line)[0]).trim());
  other.kill('SIGKILL');
  await once(other, 'exit');
  try {
    acquireManagerLock(folder)[Symbol.dispose]();
  } finally {
    process.kill(orphan, 'SIGKILL');
  }
});

test('two managers in one process are two managers', () => {
  const lock = acquireManagerLock(folder);
  expect(() => acquireManagerLock(folder)).toThrow('is the manager of');
  lock[Symbol.dispose]();
  acquireManagerLock(folder)[Symbol.dispose]();
});

test('a folder that is not there is named', () => {
  expect(() => acquireManagerLock(join(folder, 'absent'))).toThrow(
    expect.objectContaining({ code: 'STORAGE_FAILED' }),
  );
});

function present<Value>(value: Value | null): Value {
  if (value === null) throw new Error('expected a value');
  return value;
}
