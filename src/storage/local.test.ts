import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createLocalStorage } from './local.ts';
import { describeStorage } from './storage-conformance.ts';

describeStorage('local', async () => {
  const root = await mkdtemp(join(tmpdir(), 'storage-'));
  return {
    storage: createLocalStorage({ root }),
    again: createLocalStorage({ root }),
    close: () => rm(root, { recursive: true }),
  };
});

let folder: string;
beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'storage-')));
});
afterEach(() => rm(folder, { recursive: true }));

test('a symbolic link that leaves the root is refused, whichever way it is reached', async () => {
  await mkdir(join(folder, 'root/in'), { recursive: true });
  await mkdir(join(folder, 'outside'));
  await writeFile(join(folder, 'outside/secret'), 'secret');
  await symlink('../outside', join(folder, 'root/out'));
  await symlink('../../outside/secret', join(folder, 'root/in/file'));
  await symlink('../outside/to-be-made', join(folder, 'root/dangling'));
  await symlink('in', join(folder, 'root/inside'));
  const storage = createLocalStorage({ root: join(folder, 'root') });
  for (const key of ['out/secret', 'out/new/part', 'in/file', 'dangling', 'dangling/x']) {
    for (const verb of [
      () => storage.read(key),
      () => storage.localPath(key),
      () => storage.stage(key),
      () => storage.remove(key),
    ]) {
      await expect(verb()).rejects.toMatchObject({
        code: 'STORAGE_FAILED',
        message: expect.stringContaining('symbolic link'),
      });
    }
  }
  for await (const key of storage.list('')) expect.fail(`listed ${key}, which is or lies behind a link`);
  expect(await readdir(join(folder, 'outside'))).toEqual(['secret']);
  const staged = await storage.stage('inside/part');
  await writeFile(staged.path, 'x');
  await staged.seal();
  expect(await readdir(join(folder, 'root/in'))).toEqual(['file', 'part']);
});

test('with the whole file system as the root, keys are absolute paths without the slash', async () => {
  const storage = createLocalStorage({ root: '/' });
  const key = storage.keyOf(join(folder, 'x'));
  expect(`/${key}`).toBe(join(folder, 'x'));
  const staged = await storage.stage(key);
  await writeFile(staged.path, 'x');
  await staged.seal();
  expect(await readFile(join(folder, 'x'), 'utf8')).toBe('x');
  await expect(storage.remove('')).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
});

test('without permission the failure names the file', async () => {
  await mkdir(join(folder, 'closed'));
  await writeFile(join(folder, 'closed/x'), 'x');
  await chmod(folder, 0o755);
  await chmod(join(folder, 'closed'), 0o000);
  // Root may read everything: there, somebody else tries.
  const somebody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
  const module = new URL('./local.ts', import.meta.url).href;
  const script = `const { createLocalStorage } = await import(${JSON.stringify(module)});
    await createLocalStorage({ root: ${JSON.stringify(folder)} }).read('closed/x')
      .catch(({ code, place }) => console.log(JSON.stringify({ code, place })));`;
  const output = execFileSync(process.execPath, ['--input-type=module', '-e', script], somebody);
  expect(JSON.parse(output.toString())).toEqual({
    code: 'SOURCE_UNREADABLE',
    place: { file: join(folder, 'closed/x') },
  });
  await chmod(join(folder, 'closed'), 0o700);
});

test.skipIf(process.getuid?.() !== 0)(
  'a full disk is DISK_FULL, and no piece stays [needs root for a mount]',
  async () => {
    const disk = join(folder, 'disk');
    await mkdir(disk);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'nr_inodes=3,size=64k', 'tmpfs', disk]);
    try {
      const storage = createLocalStorage({ root: disk });
      const staged = await storage.stage('a/part');
      await writeFile(staged.path, 'x');
      await expect(storage.stage('b/part')).rejects.toMatchObject({
        code: 'DISK_FULL',
        place: { file: join(disk, 'b') },
      });
      await expect(staged.seal()).rejects.toMatchObject({ code: 'DISK_FULL' });
      expect(await readdir(join(disk, 'a'))).toEqual([]);
    } finally {
      execFileSync('umount', [disk]);
    }
  },
);
