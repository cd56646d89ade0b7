import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test, vi } from 'vitest';
import type { JobStatus } from '../src/core/wire.ts';
import { type RunningCli, startCli } from './support/cli.ts';
import { familyOf } from './support/family-of.ts';
import { sql } from './support/parquet.ts';
import { slowModel } from './support/slow-model.ts';
import {
  type Bench,
  eventOf,
  expectCompleted,
  expectNothingAt,
  expectRefused,
  type Flags,
  workshop,
} from './support/workshop.ts';

vi.setConfig({ maxConcurrency: 3, testTimeout: 240_000 });

const ROWS = 100;
const shop = workshop('retry-unfinished', {
  model: 'm.onnx',
  input: 'in.csv',
  key: 'id',
  features: 'x',
  types: 'x=BIGINT',
  'batch-size': '5',
});
afterAll(() => shop.remove());

const csv = (isNull: (row: number) => boolean) =>
  `id,x\n${Array.from({ length: ROWS }, (_, row) => `${row},${isNull(row) ? '' : row}`).join('\n')}\n`;

function benchOf(name: string, turns: number, isNull: (row: number) => boolean = () => false): Bench {
  const bench = shop.bench(name);
  writeFileSync(join(bench.folder, 'in.csv'), csv(isNull));
  writeFileSync(join(bench.folder, 'm.onnx'), slowModel(turns));
  return bench;
}

const withState = (args: readonly string[]) => [...args, '--state', 'state', '--json'];
const retry = (bench: Bench, args: readonly string[]) => bench.cli(withState(['retry', ...args]));
const startRetry = (bench: Bench, args: readonly string[]) =>
  startCli(withState(['retry', ...args]), bench.folder);
const jobsOf = async (bench: Bench) => {
  const { events } = await bench.cli(withState(['jobs']));
  return (events[0] as unknown as { jobs: JobStatus[] }).jobs;
};

async function published(out: string): Promise<unknown> {
  const [row] = await sql(
    `SELECT count(*) AS rows, count(DISTINCT y) AS different, min(y) AS first, max(y) AS last FROM read_parquet('${out}/part-*.parquet')`,
  );
  return row;
}
const ALL = { rows: '100', different: '100', first: 0, last: 99 };

/** Ends a job that is being scored, when some of its rows are accepted and others are not. */
async function cancelHalfWay(bench: Bench, flags: Flags): Promise<JobStatus> {
  const running = bench.start(flags);
  await eventOf(running, ({ job }) => (job?.progress.processed_rows ?? 0) > 0);
  running.child.kill('SIGINT');
  expect((await running.ended).code).toBe(130);
  await bench.cli(withState(['cancel', 'latest']));
  const [job] = await jobsOf(bench);
  if (job === undefined) throw new Error('there is no job');
  expect(job.status).toBe('cancelled');
  expect(job.counts.scored).toBeLessThan(ROWS);
  return job;
}

describe('a job that has not come to an end of its own', () => {
  test.concurrent.each([{ key: 'id' }, { key: null }])(
    'cancelled half-way: the rows it never came to, with those it has scored; key $key',
    async ({ key }) => {
      const bench = benchOf(`cancelled-${key}`, 100_000);
      const parent = await cancelHalfWay(bench, { key });
      expectNothingAt(bench.out);
      const job = expectCompleted(await retry(bench, ['latest']));
      expect(job.counts.read).toBe(ROWS - parent.counts.read);
      expect(job.retry).toMatchObject({
        of: parent.job_id,
        whole: { read: ROWS, scored: ROWS, rejected: 0, filtered: 0 },
      });
      expect(await published(bench.out)).toEqual(ALL);
      if (key === null) {
        const [row] = await sql(
          `SELECT bool_and(source_row = y) AS right, count(DISTINCT source_file) AS files FROM '${bench.out}/*.parquet'`,
        );
        expect(row).toEqual({ right: true, files: '1' });
      }
      expect((await bench.cli(['verify', 'out', '--json'])).code).toBe(0);
    },
  );

  test.concurrent('failed over its budget: repaired records and missing rows; a retry that fails likewise is tried again', async () => {
    const bench = benchOf('failed', 1, (row) => row === 3 || row === 90);
    expectRefused(await bench.run({}), { exit: 1, code: 'ERROR_BUDGET_EXCEEDED', names: [] });
    expectNothingAt(bench.out);
    let result = { code: 1 as number | null };
    for (let round = 0; round < 4 && result.code !== 0; round += 1) {
      const file = `repair-${round}.csv`;
      expect((await bench.cli(withState(['rejects', 'latest', '--to', file]))).code).toBe(0);
      await sql(
        `COPY (SELECT * REPLACE (id AS x) FROM read_csv('${bench.folder}/${file}')) TO '${bench.folder}/fixed-${round}.csv'`,
      );
      result = await retry(bench, ['latest', '--repaired', `fixed-${round}.csv`]);
    }
    expect(result.code).toBe(0);
    expect(await published(bench.out)).toEqual(ALL);
    expect((await bench.cli(['verify', 'out', '--json'])).code).toBe(0);
  });

  test.concurrent('failed before its input was pinned: everything is tried again', async () => {
    const bench = benchOf('unpinned', 1);
    const first = await bench.run({ features: 'id,x' });
    expectRefused(first, { exit: 2, code: 'MODEL_BINDING', names: ['2 columns'] });
    expectRefused(await retry(bench, ['latest', '--mode', 'partial']), {
      exit: 2,
      code: 'RETRY_NOTHING',
      names: ['pinned', '--mode complete'],
    });
    expectRefused(await retry(bench, ['latest']), { exit: 2, code: 'MODEL_BINDING', names: ['2 columns'] });
    expect((await jobsOf(bench)).length).toBe(2);
  });
});

describe('kill -9 of everything in a retry, then the same command', () => {
  test.concurrent.each(['preparing', 'running', 'completing'] as const)(
    '%s: one result, once, and no reader sees a mixture',
    async (state) => {
      const isNull = (row: number) => row >= 40 && row < 60;
      const bench = benchOf(`killed-${state}`, 20_000, isNull);
      const first = expectCompleted(await bench.run({ 'error-budget': '20' }));
      expect(first.counts).toMatchObject({ scored: 80, rejected: 20 });
      const line = (row: number) => `${row},${row}`;
      writeFileSync(
        join(bench.folder, 'repair.csv'),
        `id,x\n${Array.from({ length: 20 }, (_, at) => line(40 + at)).join('\n')}\n`,
      );
      const seen = watch(bench.out);
      // The one that is tried again is named: after the kill, `latest` is the retry itself, which is found as well.
      const killed = startRetry(bench, [first.job_id, '--repaired', 'repair.csv']);
      await killIn(killed, state);
      const shown = await jobsOf(bench);
      expect(shown).toHaveLength(2);
      const last = expectCompleted(await retry(bench, [first.job_id, '--repaired', 'repair.csv']));
      expect(await jobsOf(bench)).toHaveLength(2);
      expect(last.retry?.whole).toEqual({ read: 100, scored: 100, rejected: 0, filtered: 0 });
      expect(await published(bench.out)).toEqual(ALL);
      expect(await seen.stop()).toEqual(['80', '100']);
      expect((await bench.cli(['verify', 'out', '--json'])).code).toBe(0);
    },
  );
});

/** Kills the command and all that it started when its retry is in the state. */
async function killIn(running: RunningCli, state: JobStatus['status']): Promise<void> {
  await eventOf(running, ({ job }) => job?.status === state);
  for (const pid of familyOf(running.child.pid as number)) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It ended by itself in this very moment.
    }
  }
  expect((await running.ended).signal).toBe('SIGKILL');
}

/** Reads the destination again and again; `stop` gives the numbers of rows that were seen, in the order of their first sight. */
function watch(out: string): { stop(): Promise<string[]> } {
  const seen = new Set<string>();
  let stopped = false;
  const look = async () => {
    try {
      const [row] = await sql(`SELECT count(*) AS rows FROM read_parquet('${out}/part-*.parquet')`);
      seen.add(String(row?.rows));
    } catch (error) {
      // Between two names, for an instant, there is nothing.
      if (!/No files found|No such file|Cannot open file|could not be opened/i.test(String(error)))
        throw error;
    }
  };
  const loop = (async () => {
    while (!stopped) await look();
  })();
  return {
    async stop() {
      stopped = true;
      await loop;
      await look();
      return [...seen];
    },
  };
}
