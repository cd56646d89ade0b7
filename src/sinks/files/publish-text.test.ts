import { mkdir, open, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import type { ManifestFile } from '../../core/manifest.ts';
import { fileSha256 } from '../../storage/file-sha256.ts';
import type { PublishRequest } from '../sink.ts';
import {
  type Mode,
  type OutputFormat,
  publishInChild,
  type SinkFixture,
  sinkFixture,
} from './sink-fixture.ts';

let fixture: SinkFixture;
afterEach(() => fixture[Symbol.asyncDispose]());

const prepare = async (jobId: string, mode: Mode, first: number, type?: string): Promise<PublishRequest> =>
  fixture.request(
    jobId,
    mode,
    1,
    [await fixture.stage([first], type), await fixture.stage([first + 1], type)],
    [await fixture.stage([first + 2])],
  );
const publish = (request: PublishRequest, fence = 1) =>
  fixture.sink().publish({ ...request, fence }, fixture.context);
/** What is left of the files that were made from parts. */
const staged = () => readdir(join(fixture.root, 'staging/published')).catch(() => []);

test.each<[OutputFormat, string]>([
  [{ destination: 'csv' }, '.csv'],
  [{ destination: 'csv', compression: 'gzip' }, '.csv.gz'],
  [{ destination: 'jsonl', compression: 'zstd' }, '.jsonl.zst'],
  [{ destination: 'jsonl' }, '.jsonl'],
])(
  '%j: one file for each part, rejects alike, and the manifest names what lies there',
  async (format, extension) => {
    fixture = await sinkFixture(format);
    const request = await prepare('job-1', 'error', 1);
    let named: readonly ManifestFile[] = [];
    const manifest: PublishRequest['manifest'] = (files) => {
      named = files;
      return request.manifest(files);
    };
    await publish({ ...request, manifest });
    expect(await fixture.visible()).toEqual([1, 2]);
    const paths = ['part-job-1-00000', 'part-job-1-00001', '_rejects/rejects-job-1-00000'].map(
      (name) => name + extension,
    );
    expect(named.map(({ path }) => path)).toEqual(paths);
    expect(named.map(({ key }) => key)).toEqual([...request.parts, ...request.rejects].map(({ key }) => key));
    for (const { path, rows, sizeBytes, sha256 } of named) {
      const bytes = await readFile(join(fixture.destination, path));
      expect([rows, sizeBytes]).toEqual([1, bytes.length]);
      expect(sha256).toBe(await digest(join(fixture.destination, path)));
    }
    expect(await staged()).toEqual([]);
  },
);

async function digest(path: string): Promise<string> {
  const file = await open(path);
  try {
    return (await fileSha256(file)).sha256;
  } finally {
    await file.close();
  }
}

const STEPS = [
  'claimed',
  'assembly begun',
  'text staged',
  'file placed',
  'manifest written',
  'assembled',
  'old moved away',
  'new moved in',
  'released',
];

test.each(STEPS.flatMap((step) => (['overwrite', 'append'] as const).map((mode) => [mode, step] as const)))(
  '%s of CSV, killed when "%s": the next process ends with exactly one whole result',
  async (mode, step) => {
    fixture = await sinkFixture({ destination: 'csv' });
    await publish(await prepare('job-old', 'error', 1));
    const request = await prepare('job-new', mode, 11);
    const time = step === 'text staged' || step === 'file placed' ? 2 : 1;
    const order = { ...request, root: fixture.root, killAt: { step, time } };
    expect((await publishInChild(order)).signal).toBe('SIGKILL');
    const halfWay = mode === 'overwrite' && step === 'old moved away';
    const done = step === 'new moved in' || step === 'released';
    const after = mode === 'append' ? [1, 2, 11, 12] : [11, 12];
    expect(await fixture.visible()).toEqual(done ? after : halfWay ? null : [1, 2]);
    await publish(request, 2);
    expect(await fixture.visible()).toEqual(after);
    expect(await fixture.sink().probe(request)).toBe('published');
    await fixture.sink().discard(request);
    expect(await readdir(join(fixture.root, 'out'))).toEqual(['scores']);
  },
);

test('killed at every step in turn, each time under a new fence, it still ends with one whole result', async () => {
  fixture = await sinkFixture({ destination: 'jsonl', compression: 'gzip' });
  const request = await prepare('job-new', 'error', 11);
  for (const [index, step] of STEPS.slice(0, 6).entries()) {
    const order = { ...request, fence: index + 1, root: fixture.root, killAt: { step, time: 1 } };
    expect((await publishInChild(order)).signal).toBe('SIGKILL');
  }
  await publish(request, 100);
  expect(await fixture.visible()).toEqual([11, 12]);
});

test('what a publish under the same fence left staged is not taken for what this one makes', async () => {
  fixture = await sinkFixture({ destination: 'csv' });
  const request = await prepare('job-new', 'error', 11);
  const order = { ...request, root: fixture.root, killAt: { step: 'text staged', time: 2 } };
  expect((await publishInChild(order)).signal).toBe('SIGKILL');
  await writeFile(join(fixture.root, 'staging/published/1/part-job-new-00001.csv'), 'n\n99\n');
  await publish(request);
  expect(await fixture.visible()).toEqual([11, 12]);
});

test('a staged part whose bytes changed is found before it is turned into text', async () => {
  fixture = await sinkFixture({ destination: 'csv' });
  const request = await prepare('job-1', 'error', 1);
  const path = `/${request.parts[1]?.key}`;
  const bytes = await readFile(path);
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
  await writeFile(path, bytes);
  await expect(publish(request)).rejects.toMatchObject({ code: 'PART_CORRUPT' });
  expect(await fixture.visible()).toBeNull();
});

test.each(['csv', 'jsonl'] as const)(
  'append to %s refuses other types, which only the manifest knows',
  async (destination) => {
    fixture = await sinkFixture({ destination });
    await publish(await prepare('job-1', 'append', 1));
    await publish(await prepare('job-2', 'append', 3));
    expect(await fixture.visible()).toEqual([1, 2, 3, 4]);
    const other = await prepare('job-3', 'append', 5, 'BIGINT');
    await expect(publish(other)).rejects.toMatchObject({
      code: 'SCHEMA_MISMATCH',
      message: expect.stringMatching(/"n" \(BIGINT\).*"n" \(INTEGER\)/),
    });
  },
);

test('append refuses a dataset of another format, either way', async () => {
  fixture = await sinkFixture({ destination: 'csv' });
  await publish(await prepare('job-1', 'append', 1));
  const request = await prepare('job-2', 'append', 3);
  const { compression, escape_formulas, ...output } = request.spec.output;
  for (const destination of ['parquet', 'jsonl'] as const) {
    const other = { ...request, spec: { ...request.spec, output: { ...output, destination } } };
    await expect(publish(other)).rejects.toMatchObject({
      code: 'SCHEMA_MISMATCH',
      message: expect.stringContaining(`it is to be ${destination}, and what is there is csv`),
    });
  }
});

test('append to CSV that others wrote compares the head', async () => {
  fixture = await sinkFixture({ destination: 'csv' });
  await mkdir(fixture.destination, { recursive: true });
  const foreign = join(fixture.destination, 'theirs.csv');
  const request = { ...(await prepare('job-1', 'append', 2)), adopt: true };
  await writeFile(foreign, 'n,m\n1,2\n');
  await expect(publish(request)).rejects.toMatchObject({ code: 'SCHEMA_MISMATCH', place: { field: 'm' } });
  await writeFile(foreign, 'n\n1\n');
  await publish(request);
  expect(await fixture.visible()).toEqual([1, 2, 3]);
});

test('rejects with a column that the format cannot carry stay Parquet; the parts do not', async () => {
  fixture = await sinkFixture({ destination: 'csv' });
  const bytes = await fixture.stage([65], 'VARCHAR::BLOB');
  const request = fixture.request('job-1', 'error', 1, [await fixture.stage([1])], [bytes]);
  await publish(request);
  expect((await readdir(fixture.destination, { recursive: true })).sort()).toEqual([
    '_manifest.json',
    '_rejects',
    '_rejects/rejects-job-1-00000.parquet',
    'part-job-1-00000.csv',
  ]);
});
