import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { AddModelAnswer, ModelDetail, ModelList, ModelVersionView } from '../src/core/model-wire.ts';
import { externalDataModel, identityModel, linearModel, zipMapModel } from './onnx-builder.ts';
import { type CliResult, startCli } from './support/cli.ts';
import { sql } from './support/parquet.ts';
import { type Bench, expectCompleted, expectRefused, workshop } from './support/workshop.ts';

vi.setConfig({ maxConcurrency: 2, testTimeout: 180_000 });

const shop = workshop('model', { input: '../in.parquet' });
beforeAll(() =>
  sql(
    `COPY (SELECT i AS id, i::FLOAT AS a, (10 * i)::FLOAT AS b FROM range(10) t(i)) TO '${shop.home}/in.parquet' (FORMAT parquet)`,
  ),
);
afterAll(() => shop.remove());

/** A bench with a = linear(1, 2), b = linear(3, 4), as files. */
function modelBench(name: string): Bench {
  const bench = shop.bench(name);
  writeFileSync(join(bench.folder, 'a.onnx'), linearModel([1, 2]));
  writeFileSync(join(bench.folder, 'b.onnx'), linearModel([3, 4]));
  return bench;
}

const model = (bench: Bench, ...args: string[]): Promise<CliResult> =>
  bench.cli(['model', ...args, '--state', 'state', '--json']);

async function added(bench: Bench, ...args: string[]): Promise<ModelVersionView> {
  const result = await model(bench, 'add', ...args);
  expect(result.code, result.stdout + result.stderr).toBe(0);
  return (result.events.at(-1) as unknown as AddModelAnswer).model;
}

async function shown(bench: Bench, ...args: string[]): Promise<ModelDetail> {
  const result = await model(bench, 'show', ...args);
  expect(result.code, result.stdout + result.stderr).toBe(0);
  return (result.events.at(-1) as { model: ModelDetail }).model;
}

const listed = async (bench: Bench): Promise<ModelList> =>
  (await model(bench, 'list')).events.at(-1) as unknown as ModelList;

const total = async (bench: Bench, column = 'y') =>
  (await sql(`SELECT sum(${column}) AS s FROM read_parquet('${bench.out}/part-*.parquet')`))[0]?.s;

const store = (bench: Bench) => join(bench.folder, 'state/workspace/registry/default');

test.concurrent('from add to a published result, which names the version, and what the version stands in with', async () => {
  const bench = modelBench('story');
  writeFileSync(join(bench.folder, 'features.txt'), 'b\na\n');
  const metadata = ['--features', '@features.txt', '--key', 'id', '--output', 'y=p_churn'];
  await added(bench, 'churn', 'b.onnx');
  const version = await added(bench, 'churn', 'a.onnx', '--alias', 'champion', ...metadata);
  expect(version).toMatchObject({ version: 2, features: ['b', 'a'], key: 'id', outputs: { y: 'p_churn' } });
  expect((await added(bench, 'churn', 'a.onnx', ...metadata)).version).toBe(2);

  const job = expectCompleted(await bench.run({ model: 'churn@champion' }));
  expect(job.model).toEqual({
    reference: 'churn@champion',
    sha256: version.sha256,
    registered: { name: 'churn', version: 2, alias: 'champion' },
  });
  // b, a in this order: 1 * b + 2 * a = 12 i, for i from 0 to 9.
  expect(
    await sql(`SELECT * FROM read_parquet('${bench.out}/part-*.parquet') ORDER BY id DESC LIMIT 1`),
  ).toEqual([{ id: '9', p_churn: 108 }]);
  const { payload } = JSON.parse(readFileSync(join(bench.out, '_manifest.json'), 'utf8'));
  const { predicate } = JSON.parse(Buffer.from(payload, 'base64').toString());
  expect(predicate.model).toMatchObject({
    reference: 'churn@champion',
    sha256: version.sha256,
    registered: { name: 'churn', version: 2, alias: 'champion' },
  });
  expect((await bench.cli(['verify', 'out'])).code).toBe(0);

  const detail = await shown(bench, 'churn@champion', '--check');
  expect(detail.jobs).toMatchObject([{ job_id: job.job_id, status: 'completed', alias: 'champion' }]);
  expect((await listed(bench)).models).toMatchObject([
    { name: 'churn', latest: 2, versions: 2, aliases: [{ alias: 'champion', version: 2 }] },
  ]);
});

test.concurrent('the specification wins over what the version says, and the job says where they disagree', async () => {
  const bench = modelBench('wins');
  await added(bench, 'churn', 'a.onnx', '--features', 'b,a', '--key', 'id', '--output', 'y=p_churn');
  // One of the two orders gives wrong scores, and nobody can tell which.
  expectRefused(await bench.run({ model: 'churn', features: 'a,b' }), {
    exit: 2,
    code: 'MODEL_BINDING',
    names: ['another order', 'a, b', 'b, a'],
  });
  const job = expectCompleted(
    await bench.run({ model: 'churn', features: 'b,id', columns: 'y=score', key: 'a' }),
  );
  expect(job.warnings).toEqual([expect.stringMatching(/differs from the columns stored .*b, a/)]);
  expect(await total(bench, 'score')).toBe(450 + 2 * 45);
});

test.concurrent('what a name means: the alias default, else the only version, else one is asked which', async () => {
  const bench = modelBench('means');
  const used = async (reference: string): Promise<unknown> => {
    const result = await bench.run({ model: reference, features: 'a,b', mode: 'overwrite' });
    return expectCompleted(result).model.registered;
  };
  expectRefused(await bench.run({ model: 'churn' }), {
    exit: 2,
    code: 'MODEL_NOT_FOUND',
    names: ['churn', 'model add'],
  });
  await added(bench, 'churn', 'a.onnx');
  expect(await used('churn')).toEqual({ name: 'churn', version: 1, alias: null });
  await added(bench, 'churn', 'b.onnx', '--alias', 'champion');
  expectRefused(await bench.run({ model: 'churn' }), {
    exit: 2,
    code: 'MODEL_AMBIGUOUS',
    names: ['churn@champion', 'churn@1', 'churn@2', 'default'],
  });
  await model(bench, 'alias', 'churn', 'default', '1');
  expect(await used('churn')).toEqual({ name: 'churn', version: 1, alias: 'default' });
  expect(await used('churn@2')).toEqual({ name: 'churn', version: 2, alias: null });
  for (const [reference, ...names] of [
    ['chrun', "Did you mean 'churn'"],
    ['churn@champoin', "Did you mean 'churn@champion'"],
    ['churn@7', 'no version 7', 'churn@2'],
    ['churn@latest', 'newest version is churn@2'],
  ] as const)
    expectRefused(await bench.run({ model: reference }), { exit: 2, code: 'MODEL_NOT_FOUND', names });
});

test.concurrent('an interrupted job does not go on with another version: moved back, or --fresh', async () => {
  const bench = modelBench('moved');
  await added(bench, 'churn', 'a.onnx', '--alias', 'champion');
  await added(bench, 'churn', 'b.onnx');
  const flags = { model: 'churn@champion', features: 'a,b', key: 'id' };
  const running = bench.start(flags);
  running.child.stdout?.once('data', () => running.child.kill('SIGKILL'));
  expect((await running.ended).signal).toBe('SIGKILL');

  await model(bench, 'alias', 'churn', 'champion', '2');
  expectRefused(await bench.run(flags), {
    exit: 6,
    code: 'MODEL_CHANGED',
    names: ['churn@1', 'churn@2', '--fresh', 'batchwright model alias churn champion 1'],
  });
  expectRefused(await model(bench, 'rm', 'churn@1'), {
    exit: 1,
    code: 'MODEL_IN_USE',
    names: ['unfinished jobs use it', '--force'],
  });
  await model(bench, 'alias', 'churn', 'champion', '1');
  const resumed = await bench.run(flags);
  expect(resumed.events[0]?.event).toBe('resumed');
  expect(expectCompleted(resumed).model.registered?.version).toBe(1);
  expect(await total(bench)).toBe(45 + 2 * 450);
});

test.concurrent('a version that is taken from an unfinished job by force serves it to its end, then its bytes go', async () => {
  const bench = modelBench('forced');
  const { sha256 } = await added(bench, 'churn', 'a.onnx');
  const flags = { model: 'churn@1', features: 'a,b', key: 'id' };
  const running = bench.start(flags);
  running.child.stdout?.once('data', () => running.child.kill('SIGKILL'));
  await running.ended;

  const removed = await model(bench, 'rm', 'churn@1', '--force');
  expect(removed.events.at(-1)).toMatchObject({ removed: true, bytes_kept: true });
  expectRefused(await bench.run({ ...flags, output: 'other' }), {
    exit: 2,
    code: 'MODEL_NOT_FOUND',
    names: ['churn@1 was removed'],
  });
  expectCompleted(await bench.run(flags));
  expect(readdirSync(store(bench))).toEqual([sha256]);
  const again = await model(bench, 'rm', 'churn@1');
  expect(again.events.at(-1)).toMatchObject({ removed: false, bytes_kept: false });
  expect(readdirSync(store(bench))).toEqual([]);
  expect((await bench.cli(['verify', 'out'])).code).toBe(0);
  expect((await shown(bench, 'churn@1')).selected).toMatchObject({ sha256, removed_by: expect.any(String) });
});

test.concurrent('bytes that were changed by hand are never scored with; adding the file again puts them right', async () => {
  const bench = modelBench('tampered');
  const { sha256 } = await added(bench, 'churn', 'a.onnx', '--features', 'a,b');
  const path = join(store(bench), sha256, 'model.onnx');
  const bytes = readFileSync(path);
  bytes[bytes.length - 30] = (bytes.at(-30) as number) ^ 1;
  writeFileSync(path, bytes);
  const corrupt = { exit: 1, code: 'MODEL_CORRUPT', names: ['churn@1', sha256, 'model add'] } as const;
  expectRefused(await model(bench, 'show', 'churn', '--check'), corrupt);
  expectRefused(await bench.run({ model: 'churn' }), corrupt);
  rmSync(path);
  expectRefused(await bench.run({ model: 'churn' }), { ...corrupt, names: ['churn@1', 'is missing'] });
  expect((await added(bench, 'churn', 'a.onnx', '--features', 'a,b')).version).toBe(1);
  expectCompleted(await bench.run({ model: 'churn' }));
});

test.concurrent('four processes that add to one name at once get four versions', async () => {
  const bench = modelBench('four');
  const models = await Promise.all(
    ['1', '2', '3', '4'].map((each) => added(bench, 'churn', 'a.onnx', '--tag', `run=${each}`)),
  );
  expect(models.map(({ version }) => version).toSorted()).toEqual([1, 2, 3, 4]);
});

const filesBelow = (folder: string): string[] =>
  existsSync(folder) ? readdirSync(folder, { recursive: true, encoding: 'utf8' }) : [];

test.each<[string, (files: readonly string[]) => boolean]>([
  ['the copy of the graph is begun', (files) => files.some((file) => file.endsWith('.staged'))],
  ['the graph is there', (files) => files.some((file) => file.endsWith('model.onnx'))],
  [
    'the copy of the weights is begun',
    (files) => files.filter((file) => /(staged|onnx)$/.test(file)).length > 1,
  ],
  ['the weights are there', (files) => files.some((file) => file.endsWith('w.bin'))],
])(
  'killed when %s, adding leaves nothing half there, and the same command finishes it',
  async (step, reached) => {
    const bench = shop.bench(step.replaceAll(' ', '-'));
    const width = 4_000_000;
    writeFileSync(join(bench.folder, 'm.onnx'), externalDataModel('w.bin', width));
    writeFileSync(join(bench.folder, 'w.bin'), new Uint8Array(4 * width).fill(1));
    const running = startCli(['model', 'add', 'big', 'm.onnx', '--state', 'state', '--json'], bench.folder);
    const watch = setInterval(() => {
      if (reached(filesBelow(store(bench)))) running.child.kill('SIGKILL');
    }, 1);
    await running.ended;
    clearInterval(watch);
    // Registered whole, where the kill came too late, or not at all.
    if ((await listed(bench)).models.length > 0) await shown(bench, 'big', '--check');
    expect((await added(bench, 'big', 'm.onnx')).version).toBe(1);
    await shown(bench, 'big@1', '--check');
    expect(filesBelow(store(bench)).filter((file) => /(onnx|bin)$/.test(file))).toHaveLength(2);
  },
);

describe('what cannot be added', () => {
  const cases: [string, Uint8Array, string, (string | RegExp)[], string[]?][] = [
    ['half a model', linearModel([1, 2]).subarray(0, 60), 'MODEL_INVALID', ['m.onnx']],
    ['something else', new TextEncoder().encode('hello, world'.repeat(99)), 'MODEL_INVALID', ['m.onnx']],
    [
      'external data outside its folder',
      externalDataModel('../w.bin', 2),
      'MODEL_EXTERNAL_DATA',
      ['../w.bin'],
    ],
    [
      'too many features',
      linearModel([1, 2]),
      'MODEL_BINDING',
      ['3 features', 'takes 2'],
      ['--features', 'a,b,c'],
    ],
    ['a feature twice', linearModel([1, 2]), 'MODEL_BINDING', ["'a' twice"], ['--features', 'a,a']],
    ['an output that is not there', linearModel([1, 2]), 'SPEC_INVALID', ['z', 'y'], ['--output', 'z=p']],
    ['an alias like a version', linearModel([1, 2]), 'MODEL_NAME', ['v3'], ['--alias', 'v3']],
    ['an alias with an @', linearModel([1, 2]), 'MODEL_NAME', ['a@b'], ['--alias', 'a@b']],
  ];
  test.concurrent.each(cases)('%s: %3$s', async (hazard, bytes, code, names, flags = []) => {
    const bench = shop.bench(`bad-${hazard.replaceAll(' ', '-')}`);
    writeFileSync(join(bench.folder, 'm.onnx'), bytes);
    const refused = await model(bench, 'add', 'churn', 'm.onnx', ...flags);
    expectRefused(refused, { exit: 2, code: code as 'MODEL_INVALID', names });
    expect((await listed(bench)).models).toEqual([]);
  });

  test.concurrent('names that are none, or read like files', async () => {
    const bench = modelBench('names');
    for (const name of ['a@b', 'a/b', 'x'.repeat(101), 'churn.onnx', 'häß', 'two words'])
      expectRefused(await model(bench, 'add', name, 'a.onnx'), { exit: 2, code: 'MODEL_NAME', names: [] });
  });
});

test.concurrent('show is a page that tells which version is in production', async () => {
  const bench = shop.bench('page');
  mkdirSync(join(bench.folder, 'models'));
  writeFileSync(join(bench.folder, 'models/z.onnx'), zipMapModel(['no', 'yes']));
  writeFileSync(join(bench.folder, 'i.onnx'), identityModel());
  await added(
    bench,
    'churn',
    'models/z.onnx',
    '--alias',
    'champion',
    '--description',
    'Trees',
    '--tag',
    'team=a',
  );
  await added(bench, 'churn', 'i.onnx');
  const { stdout } = await bench.cli(['model', 'show', 'churn@champion', '--state', 'state']);
  for (const line of [
    /^churn@1 = churn@champion$/m,
    /^ {2}description +Trees$/m,
    /^ {2}tags +team=a$/m,
    /^ {2}OUTPUT +TYPE +SHAPE +LABELS$/m,
    /float32 +\[rows, 2\] +no, yes$/m,
    /^ {2} +2 +- .*$/m,
    /^ {2} +1 +champion .*$/m,
    /^ {2}champion +- +1 /m,
  ])
    expect(stdout).toMatch(line);
  const bare = await bench.cli(['model', 'show', 'churn', '--state', 'state']);
  expect(bare.stdout).toMatch(/^churn: several versions.*the name alone means none of them/);
});
