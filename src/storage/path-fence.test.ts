import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { createPathFence } from './path-fence.ts';

const home = realpathSync(mkdtempSync(join(tmpdir(), 'fence-')));
afterAll(() => rmSync(home, { recursive: true, force: true }));
for (const folder of ['a/in', 'a/state', 'b', 'ab']) mkdirSync(join(home, folder), { recursive: true });
writeFileSync(join(home, 'b/secret'), 's');
symlinkSync(join(home, 'b'), join(home, 'a/to-b'));
symlinkSync(join(home, 'a'), join(home, 'link-to-a'));
symlinkSync(join(home, 'b/not-there'), join(home, 'a/dangling'));
symlinkSync(join(home, 'a/loop'), join(home, 'a/loop'));

const fence = createPathFence(
  (tenant) => (tenant === 'a' ? [join(home, 'link-to-a')] : []),
  [join(home, 'a/state')],
);
const check = (path: string, tenant = 'a') =>
  fence(tenant, [{ path: join(home, path), field: 'input.path' }]);

test.each(['a', 'a/in', 'a/in/not/there/yet', 'link-to-a/in', 'a/statement'])(
  '%s is inside',
  async (path) => {
    await expect(check(path)).resolves.toBeUndefined();
  },
);

test.each([
  ['b/secret', 'another tenant’s file'],
  ['ab', 'a folder whose name begins like the root'],
  ['a/to-b/secret', 'a link that leads out'],
  ['a/to-b/new', 'a new name behind a link that leads out'],
  ['a/../b/secret', 'dots that lead out'],
  ['a/state/ledger.sqlite', 'the state of the server'],
  ['a/state', 'the state folder itself'],
  ['a/loop/x', 'a loop of links'],
])('%s is outside: %s', async (path) => {
  await expect(check(path)).rejects.toMatchObject({ code: 'PATH_FORBIDDEN', place: { field: 'input.path' } });
});

test('a tenant without folders has none', async () => {
  await expect(check('a/in', 'c')).rejects.toThrow('Tenant c has no folders');
});

test('a dangling link that would be written through leads out', async () => {
  await expect(check('a/dangling')).rejects.toMatchObject({ code: 'PATH_FORBIDDEN' });
});
