import { execFileSync } from 'node:child_process';
import { chmod, mkdir, readdir, readFile, symlink, truncate, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Failure } from '../../core/errors.ts';
import type { PublishRequest } from '../sink.ts';
import { describeSink, type SinkSubject } from '../sink-conformance.ts';
import {
  type Mode,
  type OutputFormat,
  publishInChild,
  type SinkFixture,
  sinkFixture,
} from './sink-fixture.ts';

const subject = async (format: OutputFormat): Promise<SinkSubject> => {
  const fixture = await sinkFixture(format);
  return {
    sink: fixture.sink(),
    context: fixture.context,
    stage: fixture.stage,
    async damage(file) {
      const bytes = await readFile(`/${file.key}`);
      bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
      await writeFile(`/${file.key}`, bytes);
    },
    request: fixture.request,
    visible: fixture.visible,
    async putForeign() {
      await mkdir(fixture.destination, { recursive: true });
      await writeFile(join(fixture.destination, 'notes.txt'), 'mine');
    },
    isClean: async () => (await readdir(join(fixture.root, 'out'))).join() === 'scores',
    close: async () => fixture[Symbol.asyncDispose](),
  };
};
describeSink('files', () => subject({}));
describeSink('files, as CSV', () => subject({ destination: 'csv' }));

let fixture: SinkFixture;
beforeEach(async () => {
  fixture = await sinkFixture();
});
afterEach(() => fixture[Symbol.asyncDispose]());

const one = async (jobId: string, mode: Mode, ...values: number[]): Promise<PublishRequest> =>
  fixture.request(jobId, mode, 1, [await fixture.stage(values)]);
const publish = (request: PublishRequest) => fixture.sink().publish(request, fixture.context);
const refusal = (work: Promise<unknown>): Promise<Failure> =>
  work.then(
    () => expect.fail('it was not refused'),
    (error: Failure) => error,
  );

test('names carry the job, and readers of datasets skip manifest and rejects', async () => {
  const request = fixture.request(
    'job-1',
    'error',
    1,
    [await fixture.stage([1])],
    [await fixture.stage([9])],
  );
  const published = await publish(request);
  expect((await readdir(fixture.destination, { recursive: true })).sort()).toEqual([
    '_manifest.json',
    '_rejects',
    '_rejects/rejects-job-1-00000.parquet',
    'part-job-1-00000.parquet',
  ]);
  expect(published).toMatchObject({
    location: fixture.destination,
    manifest: join(fixture.destination, '_manifest.json'),
  });
  expect(await readdir(join(fixture.root, 'out'))).toEqual(['scores']);
  const added = await publish(await one('job-2', 'append', 2));
  expect(added.location).toBe(join(fixture.destination, 'job-2'));
  expect(await readdir(added.location)).toEqual(['_manifest.json', 'part-job-2-00000.parquet']);
});

test('an appended and a top-level result together are ours; one stranger anywhere makes the folder foreign', async () => {
  await publish(await one('job-1', 'error', 1));
  await publish(await one('job-2', 'append', 2));
  const next = await one('job-3', 'overwrite', 3);
  await fixture.sink().check(next);
  for (const stranger of ['job-2/notes.txt', '.hidden', '_rejects/x.parquet', 'job-9/_manifest.json']) {
    await mkdir(join(fixture.destination, stranger, '..'), { recursive: true });
    await writeFile(join(fixture.destination, stranger), '{}');
    const refused = await refusal(fixture.sink().check(next));
    expect(refused).toMatchObject({
      code: 'DESTINATION_FOREIGN',
      message: expect.stringContaining(stranger),
    });
    execFileSync('rm', [join(fixture.destination, stranger)]);
  }
  await fixture.sink().check(next);
});

test('the replaced output stays beside the new one until the job is discarded', async () => {
  await publish(await one('job-1', 'error', 1));
  const second = await one('job-2', 'overwrite', 2);
  await publish(second);
  const old = join(fixture.root, 'out/.scores.batchwright-old-job-2');
  expect(await readdir(old)).toEqual(['_manifest.json', 'part-job-1-00000.parquet']);
  await fixture.sink().discard(second);
  expect(await readdir(join(fixture.root, 'out'))).toEqual(['scores']);
});

test('a job whose result another one replaced before it was reported is published, and does not come back', async () => {
  const first = await one('job-1', 'error', 1);
  const answer = await publish(first);
  await publish(await one('job-2', 'overwrite', 2));
  expect(await fixture.sink().probe(first)).toBe('published');
  expect(await publish({ ...first, fence: 2 })).toEqual(answer);
  expect(await fixture.visible()).toEqual([2]);
});

test('an old output that somebody deleted is not brought back by the next job', async () => {
  await publish(await one('job-1', 'error', 1));
  await publish(await one('job-2', 'overwrite', 2));
  execFileSync('rm', ['-r', fixture.destination]);
  await publish(await one('job-3', 'error', 3));
  expect(await fixture.visible()).toEqual([3]);
});

test('a destination that is a link to a folder is that folder; a link that leads nowhere is refused', async () => {
  await mkdir(join(fixture.root, 'real/data'), { recursive: true });
  await mkdir(join(fixture.root, 'out'));
  await symlink(join(fixture.root, 'real/data'), fixture.destination);
  const published = await publish(await one('job-1', 'append', 1));
  expect(published.location).toBe(join(fixture.root, 'real/data/job-1'));
  await publish(await one('job-2', 'append', 2));
  expect(await fixture.visible()).toEqual([1, 2]);
  await symlink('nowhere', join(fixture.root, 'out/lost'));
  const request = await one('job-3', 'error', 3);
  const lost = {
    ...request,
    spec: { ...request.spec, output: { ...request.spec.output, path: join(fixture.root, 'out/lost') } },
  };
  expect(await refusal(fixture.sink().check(lost))).toMatchObject({ code: 'DESTINATION_UNWRITABLE' });
});

const at = (request: PublishRequest, path: string): PublishRequest => ({
  ...request,
  spec: { ...request.spec, output: { ...request.spec.output, path } },
});

test('a destination that cannot be one is refused before anything is scored, and why', async () => {
  const request = await one('job-1', 'overwrite', 1);
  await mkdir(join(fixture.root, 'out'));
  await writeFile(join(fixture.root, 'file'), '');
  for (const [path, reason] of [
    [join(fixture.root, 'file'), /is a file/],
    [join(fixture.root, 'file/scores'), /file is not a folder/],
    [join(fixture.root, 'out', 'x'.repeat(200)), /name is too long/],
    ['/proc', /mount point/],
  ] as const) {
    for (const refused of [
      await refusal(fixture.sink().check(at(request, path))),
      await refusal(publish(at(request, path))),
    ]) {
      expect(refused).toMatchObject({
        code: 'DESTINATION_UNWRITABLE',
        message: expect.stringMatching(reason),
      });
    }
  }
  expect(await readdir(fixture.root)).toEqual(['file', 'out', 'staging']);
});

test.skipIf(process.getuid?.() !== 0)(
  'without permission it is refused, early and late [needs root to become another user]',
  async () => {
    const request = await one('job-1', 'error', 1);
    await mkdir(join(fixture.root, 'out'));
    execFileSync('chmod', ['-R', 'a+rX', fixture.root]);
    for (const onlyCheck of [true, false]) {
      const order = { ...request, root: fixture.root, killAt: null, onlyCheck };
      const { answer } = await publishInChild(order, { uid: 65_534, gid: 65_534 });
      expect(answer).toBe('DESTINATION_UNWRITABLE');
    }
    await chmod(join(fixture.root, 'out'), 0o777);
    const order = { ...request, root: fixture.root, killAt: null };
    expect((await publishInChild(order, { uid: 65_534, gid: 65_534 })).answer).toBe('done');
  },
);

test.skipIf(process.getuid?.() !== 0)(
  'a full disk leaves the old output, and the same job goes on when there is space [needs root for a mount]',
  async () => {
    const disk = join(fixture.root, 'out');
    await mkdir(disk);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', disk]);
    try {
      await publish(await one('job-1', 'error', 1));
      await writeFile(join(disk, 'ballast'), Buffer.alloc(200 << 10));
      const values = Array.from({ length: 12_000 }, (_, index) => (index * 7_919) % 1_000_003);
      const big = await one('job-2', 'overwrite', ...values);
      expect(await refusal(publish(big))).toMatchObject({ code: 'DISK_FULL' });
      expect(await fixture.visible()).toEqual([1]);
      expect((await readdir(disk)).filter((name) => !name.includes('claim'))).toEqual(['ballast', 'scores']);
      execFileSync('rm', [join(disk, 'ballast')]);
      // Copied, not linked: it is another file system than the staging area's.
      await publish({ ...big, fence: 2 });
      expect(await fixture.visible()).toHaveLength(values.length);
    } finally {
      execFileSync('umount', [disk]);
    }
  },
);

test('a staged file that was cut off or is gone is named', async () => {
  const request = await one('job-1', 'error', 1);
  const [part] = request.parts;
  await truncate(`/${part?.key}`, 10);
  const cut = await refusal(publish(request));
  expect(cut).toMatchObject({
    code: 'PART_CORRUPT',
    message: expect.stringMatching(/has 10 bytes instead of/),
  });
  await unlink(`/${part?.key}`);
  const gone = await refusal(publish(request));
  expect(gone).toMatchObject({ code: 'PART_CORRUPT', message: expect.stringContaining('gone') });
  expect(await readdir(join(fixture.root, 'out'))).toEqual([]);
});

test('a manifest that does not name its job never becomes visible: the result could not be recognised', async () => {
  const request = await one('job-1', 'error', 1);
  await expect(publish({ ...request, manifest: async () => Buffer.from('{}') })).rejects.toThrow(
    /does not name its job/,
  );
  expect(await readdir(join(fixture.root, 'out'))).toEqual([]);
});
