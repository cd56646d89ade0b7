import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { identityModel } from './onnx-builder.ts';
import { sql } from './support/parquet.ts';
import { besideOf, expectCompleted, expectNothingAt, expectRefused, workshop } from './support/workshop.ts';

vi.setConfig({ maxConcurrency: 3, testTimeout: 180_000 });

const shop = workshop('bad-destination', {
  model: '../identity.onnx',
  input: '../in.parquet',
  key: 'id',
  features: 'x',
});
const at = (name: string) => join(shop.home, name);

beforeAll(async () => {
  writeFileSync(at('identity.onnx'), identityModel());
  await sql(
    `COPY (SELECT i AS id, i::FLOAT AS x FROM range(100) t(i)) TO '${at('in.parquet')}' (FORMAT parquet)`,
  );
  await sql(
    `COPY (SELECT i AS id, i::FLOAT AS x, random() AS a, random() AS b FROM range(150000) t(i)) TO '${at('large.parquet')}' (FORMAT parquet)`,
  );
  chmodSync(shop.home, 0o755);
});
afterAll(() => shop.remove());

async function writeRows(path: string): Promise<void> {
  await sql(`COPY (SELECT 1::BIGINT AS id, 1::FLOAT AS x) TO '${path}' (FORMAT parquet)`);
}

async function rowsAt(out: string): Promise<unknown> {
  const [row] = await sql(
    `SELECT count(*) AS rows, count(DISTINCT id) AS ids FROM read_parquet('${out}/**/part-*.parquet')`,
  );
  return row;
}

describe('input and destination in one another', () => {
  const CASES = [
    {
      hazard: 'the destination inside the input folder',
      input: 'data',
      output: 'data/scores',
      names: ['data/scores', 'output.path'],
    },
    {
      hazard: 'the destination under its own name by a link',
      input: 'data',
      output: 'link/scores',
      names: ['link/scores'],
    },
    {
      hazard: 'a pattern that reaches the destination',
      input: 'data/**/*.parquet',
      output: 'data/a/scores',
      names: ['data/a/scores'],
    },
    {
      hazard: 'a pattern of which a folder is the destination',
      input: 'data/*/*.parquet',
      output: 'data/scores',
      names: ['data/*/*.parquet'],
    },
    { hazard: 'the input folder as destination', input: 'data', output: 'data', names: ['data'] },
    {
      hazard: 'an input file inside the destination',
      input: 'data/a/1.parquet',
      output: 'data',
      names: ['data/a/1.parquet'],
    },
    {
      hazard: 'an input file that is a link into the destination',
      input: 'linked.parquet',
      output: 'data',
      names: ['linked.parquet'],
    },
  ] as const;
  test.concurrent.each(CASES)('$hazard', async ({ hazard, input, output, names }) => {
    const bench = shop.bench(hazard.replaceAll(' ', '-'));
    mkdirSync(join(bench.folder, 'data/a'), { recursive: true });
    await writeRows(join(bench.folder, 'data/a/1.parquet'));
    symlinkSync('data', join(bench.folder, 'link'));
    symlinkSync('data/a/1.parquet', join(bench.folder, 'linked.parquet'));
    const result = await bench.run({ input, output, mode: 'overwrite', adopt: true });
    expectRefused(result, { exit: 2, code: 'DESTINATION_IN_INPUT', names });
    expect(readdirSync(join(bench.folder, 'data'))).toEqual(['a']);
    expect(readdirSync(join(bench.folder, 'data/a'))).toEqual(['1.parquet']);
  });

  test('a destination beside the files of a pattern is fine, again and again', async () => {
    const bench = shop.bench('beside');
    await writeRows(join(bench.folder, '1.parquet'));
    for (let run = 0; run < 2; run += 1) {
      const job = expectCompleted(await bench.run({ input: '*.parquet', mode: 'overwrite' }));
      expect(job.counts.scored).toBe(1);
    }
  });
});

describe('what is at the destination already', () => {
  test.concurrent('mode error, append twice, overwrite: each does what it says', async () => {
    const bench = shop.bench('modes');
    expectCompleted(await bench.run({}));
    const manifest = readFileSync(join(bench.out, '_manifest.json'));
    expectRefused(await bench.run({}), {
      exit: 2,
      code: 'DESTINATION_EXISTS',
      names: [bench.out, 'output.mode'],
    });
    expect(readFileSync(join(bench.out, '_manifest.json'))).toEqual(manifest);
    expectCompleted(await bench.run({ mode: 'append' }));
    expectCompleted(await bench.run({ mode: 'append' }));
    expect(await rowsAt(bench.out)).toEqual({ rows: '300', ids: '100' });
    expect((await bench.cli(['verify', '--json', 'out'])).code).toBe(0);
    expectCompleted(await bench.run({ mode: 'overwrite' }));
    expect(await rowsAt(bench.out)).toEqual({ rows: '100', ids: '100' });
    expect((await bench.cli(['verify', '--json', 'out'])).code).toBe(0);
  });

  test.concurrent('appending other columns than are there: SCHEMA_MISMATCH before a row is scored', async () => {
    const bench = shop.bench('append-other');
    expectCompleted(await bench.run({}));
    const other = await bench.run({ mode: 'append', columns: 'y=other' });
    expectRefused(other, { exit: 2, code: 'SCHEMA_MISMATCH', names: ['other'] });
    expect(await rowsAt(bench.out)).toEqual({ rows: '100', ids: '100' });
  });

  test.concurrent('a folder of somebody else is refused, and taken with --adopt', async () => {
    const bench = shop.bench('foreign');
    mkdirSync(bench.out);
    writeFileSync(join(bench.out, 'thesis.txt'), 'years of work');
    expectRefused(await bench.run({ mode: 'overwrite' }), {
      exit: 2,
      code: 'DESTINATION_FOREIGN',
      names: ['thesis.txt', '--adopt'],
    });
    expectRefused(await bench.run({ mode: 'append' }), {
      exit: 2,
      code: 'DESTINATION_FOREIGN',
      names: ['thesis.txt', '--adopt'],
    });
    expect(readdirSync(bench.out)).toEqual(['thesis.txt']);
    expectCompleted(await bench.run({ mode: 'overwrite', adopt: true }));
    expect(await rowsAt(bench.out)).toEqual({ rows: '100', ids: '100' });
  });

  test.concurrent('a file where the folder should be, or on the way to it', async () => {
    const bench = shop.bench('file');
    writeFileSync(join(bench.folder, 'file'), 'x');
    const there = await bench.run({ output: 'file', mode: 'overwrite' });
    expectRefused(there, {
      exit: 2,
      code: 'DESTINATION_UNWRITABLE',
      names: [join(bench.folder, 'file'), 'output.path'],
    });
    const below = await bench.run({ output: 'file/below/out' });
    expectRefused(below, { exit: 2, code: 'DESTINATION_UNWRITABLE', names: [join(bench.folder, 'file')] });
    expect(readFileSync(join(bench.folder, 'file'), 'utf8')).toBe('x');
  });

  test.concurrent('two jobs from two state folders at the same time: one publishes, the other says why not', async () => {
    const bench = shop.bench('two-jobs');
    const results = await Promise.all([
      bench.run({ state: 'one' }),
      bench.run({ state: 'two', columns: 'y=z' }),
    ]);
    const done = results.filter(({ code }) => code === 0);
    expect(done).toHaveLength(1);
    const [loser] = results.filter(({ code }) => code !== 0);
    if (loser === undefined) throw new Error('both were published');
    expectRefused(loser, {
      exit: 2,
      code: /DESTINATION_BUSY/.test(loser.stdout) ? 'DESTINATION_BUSY' : 'DESTINATION_EXISTS',
      names: [bench.out],
    });
    expect(await rowsAt(bench.out)).toEqual({ rows: '100', ids: '100' });
    expect((await bench.cli(['verify', '--json', 'out'])).code).toBe(0);
    expect(besideOf(bench.out).filter((name) => !name.endsWith('lock'))).toEqual([]);
  });
});

const NOBODY = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];
const MAIN = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url));

/** Root, able to become somebody else who can still read this program. */
const canBecomeNobody =
  process.getuid?.() === 0 &&
  spawnSync(NOBODY[0] as string, [...NOBODY.slice(1), process.execPath, MAIN, '--version']).status === 0;

describe.skipIf(!canBecomeNobody)(
  'as a user without permission (needs root, and a program that others can read)',
  () => {
    /** A bench in which nobody may write, with a state folder of its own. */
    function open(name: string) {
      const bench = shop.bench(name);
      chmodSync(bench.folder, 0o777);
      return bench;
    }

    test.concurrent('input that may not be read', async () => {
      const bench = open('unreadable');
      await writeRows(join(bench.folder, 'in.parquet'));
      chmodSync(join(bench.folder, 'in.parquet'), 0o600);
      const file = await bench.run({ input: 'in.parquet' }, { under: NOBODY });
      expectRefused(file, { exit: 2, code: 'SOURCE_UNREADABLE', names: [join(bench.folder, 'in.parquet')] });
      mkdirSync(join(bench.folder, 'shut'), { mode: 0o700 });
      await writeRows(join(bench.folder, 'shut/in.parquet'));
      const folder = await bench.run({ input: 'shut' }, { under: NOBODY });
      expectRefused(folder, { exit: 2, code: 'SOURCE_UNREADABLE', names: [join(bench.folder, 'shut')] });
      const inside = await bench.run({ input: 'shut/in.parquet' }, { under: NOBODY });
      expectRefused(inside, { exit: 2, code: 'SOURCE_UNREADABLE', names: ['shut/in.parquet'] });
      // Its rows would be missing without anybody noticing.
      mkdirSync(join(bench.folder, 'data/shut'), { recursive: true });
      writeFileSync(join(bench.folder, 'data/readable.parquet'), readFileSync(at('in.parquet')));
      chmodSync(join(bench.folder, 'data/shut'), 0o700);
      const among = await bench.run({ input: 'data' }, { under: NOBODY });
      expectRefused(among, {
        exit: 2,
        code: 'SOURCE_UNREADABLE',
        names: [join(bench.folder, 'data/shut')],
      });
      expectNothingAt(bench.out);
    });

    test.concurrent('a model that may not be read', async () => {
      const bench = open('unreadable-model');
      writeFileSync(join(bench.folder, 'm.onnx'), identityModel(), { mode: 0o600 });
      const result = await bench.run({ model: 'm.onnx' }, { under: NOBODY });
      expectRefused(result, { exit: 2, code: 'MODEL_NOT_FOUND', names: ['m.onnx', 'may not be read'] });
    });

    test.concurrent('a destination in a folder that may not be written', async () => {
      const bench = open('unwritable');
      mkdirSync(join(bench.folder, 'shut'), { mode: 0o755 });
      const result = await bench.run({ output: 'shut/out' }, { under: NOBODY });
      expectRefused(result, { exit: 2, code: 'DESTINATION_UNWRITABLE', names: [join(bench.folder, 'shut')] });
      expect(readdirSync(join(bench.folder, 'shut'))).toEqual([]);
    });

    test.concurrent('a state folder that may not be made, or not be written', async () => {
      const bench = open('state');
      mkdirSync(join(bench.folder, 'shut'), { mode: 0o755 });
      const made = await bench.run({ state: 'shut/state' }, { under: NOBODY });
      expectRefused(made, {
        exit: 2,
        code: 'STATE_UNUSABLE',
        names: [join(bench.folder, 'shut/state'), '--state'],
      });
      const written = await bench.run({ state: 'shut' }, { under: NOBODY });
      expectRefused(written, {
        exit: 2,
        code: 'STATE_UNUSABLE',
        names: [join(bench.folder, 'shut'), '--state'],
      });
    });
  },
);

/** Runs what follows with a small file system at `folder`, which nobody else sees; writes down what it holds at the end. */
function withSmallDisk(folder: string, size: string): string[] {
  const script = `mount -t tmpfs -o size=${size},mode=777 none '${folder}' && { "$@"; code=$?; ls -A1 '${folder}' > '${folder}.seen'; exit $code; }`;
  return ['unshare', '--mount', 'sh', '-c', script, 'sh'];
}

const canMount = (() => {
  if (process.getuid?.() !== 0) return false;
  const probe = shop.bench('probe').folder;
  const [program = '', ...args] = withSmallDisk(probe, '1m');
  return spawnSync(program, [...args, 'true']).status === 0;
})();

describe.skipIf(!canMount)('a disk that is full (needs root, to mount a small one)', () => {
  const seen = (folder: string) =>
    readFileSync(`${folder}.seen`, 'utf8')
      .split('\n')
      .filter((name) => name !== '');

  test.concurrent('where parts are staged', async () => {
    const bench = shop.bench('full-state');
    const state = join(bench.folder, 'state');
    mkdirSync(state);
    const result = await bench.run(
      { input: '../large.parquet', include: 'a,b' },
      { under: withSmallDisk(state, '2m') },
    );
    expectRefused(result, { exit: 1, code: 'DISK_FULL', names: [/space/i] });
    expectNothingAt(bench.out);
  });

  // Room for the ledger's tables, then for a submission, then for the first task or worker.
  test.concurrent.each(['32k', '64k', '200k', '300k'])(
    'of %s, where the ledger is: the command ends',
    async (size) => {
      const bench = shop.bench(`full-ledger-${size}`);
      const state = join(bench.folder, 'state');
      mkdirSync(state);
      const result = await bench.run({}, { under: withSmallDisk(state, size) });
      expectRefused(result, { exit: 1, code: 'DISK_FULL', names: [/space/i] });
      expectNothingAt(bench.out);
    },
  );

  test.concurrent('at the destination: the old output stays', async () => {
    const bench = shop.bench('full-destination');
    const disk = join(bench.folder, 'disk');
    mkdirSync(disk);
    const result = await bench.run(
      { input: '../large.parquet', include: 'a,b', output: 'disk/out' },
      { under: withSmallDisk(disk, '1m') },
    );
    expectRefused(result, { exit: 1, code: 'DISK_FULL', names: ['disk'] });
    expect(seen(disk).filter((name) => !name.endsWith('.lock'))).toEqual([]);
  });
});
