import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { openStateFolder } from '../src/cli/state-folder.ts';
import { systemRandom } from '../src/cli/system-ports.ts';
import type { JobStatus } from '../src/core/wire.ts';
import {
  claimed,
  claimTask,
  completionOf,
  present,
  runningJob,
  START,
} from '../src/state/ledger/ledger-fixture-conformance.ts';
import { openLedger } from '../src/state/sqlite/open-ledger.ts';
import { identityModel } from './onnx-builder.ts';
import type { RunningCli } from './support/cli.ts';
import { familyOf } from './support/family-of.ts';
import { sql } from './support/parquet.ts';
import { slowModel } from './support/slow-model.ts';
import {
  besideOf,
  eventOf,
  expectCompleted,
  expectNothingAt,
  expectRefused,
  workshop,
} from './support/workshop.ts';

vi.setConfig({ maxConcurrency: 3, testTimeout: 180_000 });

const ROWS = 100;
const shop = workshop('interrupted', {
  model: 'm.onnx',
  input: 'in',
  key: 'id',
  features: 'x',
  'batch-size': '5',
});
afterAll(() => shop.remove());

/** A bench with an input of `ROWS` rows and a model of which each batch takes a few tenths of a second. */
async function slowBench(name: string) {
  const bench = shop.bench(name);
  mkdirSync(join(bench.folder, 'in'));
  await writeRows(join(bench.folder, 'in/a.parquet'), 0);
  writeFileSync(join(bench.folder, 'm.onnx'), slowModel(200_000));
  return bench;
}

async function writeRows(path: string, from: number): Promise<void> {
  await sql(
    `COPY (SELECT i AS id, i AS x FROM range(${from}, ${from + ROWS}) t(i)) TO '${path}' (FORMAT parquet)`,
  );
}

const scoring = ({ job }: { job?: JobStatus }) => job?.status === 'running' && job.shards.leased > 0;

/** Resolves when the command has said it on standard error; fails when it ends before. */
function saying(running: RunningCli, what: RegExp): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let said = '';
  running.child.stderr?.on('data', (chunk: Buffer) => {
    said += chunk.toString();
    if (what.test(said)) resolve();
  });
  running.ended.then(({ stdout, stderr }) => reject(new Error(`ended before:\n${stdout}${stderr}`)), reject);
  return promise;
}

/** Process ids of a process's children. */
function childrenOf(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
    readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
  );
}

function isAlive(pid: number): boolean {
  return existsSync(`/proc/${pid}`) && !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
}

async function published(out: string): Promise<unknown> {
  const [row] = await sql(
    `SELECT count(*) AS rows, count(DISTINCT id) AS ids, bool_and(y = id) AS right FROM read_parquet('${out}/part-*.parquet')`,
  );
  return row;
}

describe('an unfinished job', () => {
  test.concurrent('Ctrl-C once ends with 130 and keeps what was scored; the same command does the rest', async () => {
    const bench = await slowBench('ctrl-c');
    const running = bench.start({});
    await eventOf(running, scoring);
    running.child.kill('SIGINT');
    const interrupted = await running.ended;
    expect({ code: interrupted.code, signal: interrupted.signal, stderr: interrupted.stderr }).toEqual({
      code: 130,
      signal: null,
      stderr: '',
    });
    expectNothingAt(bench.out);
    const shown = await bench.cli(['jobs', '--json', '--state', 'state']);
    const { jobs } = shown.events[0] as unknown as { jobs: JobStatus[] };
    const kept = jobs[0]?.counts.scored ?? 0;
    expect(jobs).toHaveLength(1);
    expect(kept).toBeGreaterThan(0);
    expect(kept).toBeLessThan(ROWS);

    const again = await bench.run({});
    const job = expectCompleted(again);
    expect(again.events[0]).toMatchObject({ event: 'resumed', job_id: jobs[0]?.job_id });
    expect(job.counts).toEqual({ read: ROWS, scored: ROWS, rejected: 0, filtered: 0 });
    // What the interrupted run had scored was not scored again.
    const progress = again.events.find(({ event }) => event === 'progress') as unknown as { job: JobStatus };
    expect(progress.job.progress.processed_rows).toBeGreaterThanOrEqual(kept);
    expect(await published(bench.out)).toEqual({ rows: String(ROWS), ids: String(ROWS), right: true });
  });

  test.concurrent('stopped (Ctrl-Z) for longer than a lease, all its processes, and continued: no attempt is lost', async () => {
    const bench = await slowBench('stopped');
    const running = bench.start({ 'retry-count': '0' });
    const { job } = await eventOf(running, scoring);
    const family = familyOf(running.child.pid as number);
    expect(family.length).toBeGreaterThanOrEqual(3);
    for (const pid of family) process.kill(pid, 'SIGSTOP');
    // What is tested is that this time passes: a lease is 10 s.
    await sleep(13_000);
    for (const pid of family) process.kill(pid, 'SIGCONT');
    const done = expectCompleted(await running.ended);
    expect(done).toMatchObject({ job_id: job?.job_id, retries: 0, counts: { read: ROWS, scored: ROWS } });
    expect(await published(bench.out)).toEqual({ rows: String(ROWS), ids: String(ROWS), right: true });
  });

  test.concurrent('Ctrl-C twice ends at once with 130, in the middle of a batch, and no child lives on', async () => {
    const bench = await slowBench('ctrl-c-twice');
    // One batch outlasts the test: a polite end would wait for it.
    writeFileSync(join(bench.folder, 'm.onnx'), slowModel(200_000_000));
    const running = bench.start({ json: null, 'batch-timeout-seconds': '3600' });
    await saying(running, /running .*1 worker/);
    const children = childrenOf(running.child.pid ?? 0);
    expect(children.length).toBeGreaterThan(0);
    running.child.kill('SIGINT');
    // Signals of one kind do not queue: the second one is sent when the first has been heard.
    await saying(running, /Finishing the batches in hand/);
    running.child.kill('SIGINT');
    const { code, signal, stderr } = await running.ended;
    expect({ code, signal }).toEqual({ code: 130, signal: null });
    expect(stderr).toContain('batchwright resume');
    await vi.waitFor(() => expect(children.filter(isAlive)).toEqual([]), { timeout: 10_000 });
    expectNothingAt(bench.out);
  });

  test.concurrent('killed, then `resume` without its command line: it goes on, and what the dead had left in the way of temporary files is gone', async () => {
    const bench = await slowBench('resume');
    const scratch = join(bench.folder, 'state/workspace/tmp');
    const killed = bench.start({});
    const { job } = await eventOf(killed, scoring);
    killed.child.kill('SIGKILL');
    await killed.ended;
    const left = readdirSync(scratch);
    expect(left).toEqual([expect.stringMatching(/^batchwright-/)]);

    const model = join(bench.folder, 'm.onnx');
    writeFileSync(model, identityModel('int64'));
    const changed = await bench.cli(['resume', '--json', '--state', 'state']);
    expectRefused(changed, { exit: 6, code: 'MODEL_CHANGED', names: [model, '--fresh'] });
    writeFileSync(model, slowModel(200_000));

    const id = job?.job_id ?? '';
    const resumed = await bench.cli(['resume', '--json', '--state', 'state', id.slice(0, 10)]);
    expect(resumed.events[0]).toEqual({ event: 'resumed', job_id: id });
    expectCompleted(resumed);
    expect(await published(bench.out)).toEqual({ rows: String(ROWS), ids: String(ROWS), right: true });
    expect(readdirSync(scratch)).not.toContain(left[0]);
    const again = await bench.cli(['resume', '--json', '--state', 'state', id]);
    expectRefused(again, { exit: 1, code: 'JOB_FINISHED', names: [id, 'completed'] });
    const none = await bench.cli(['resume', '--json', '--state', 'state']);
    expectRefused(none, { exit: 2, code: 'JOB_NOT_FOUND', names: ['no unfinished job'] });
  });

  test.concurrent('another model or another input meanwhile: refused by name, until --fresh', async () => {
    const bench = await slowBench('changed');
    const killed = bench.start({});
    await eventOf(killed, scoring);
    killed.child.kill('SIGKILL');
    expect((await killed.ended).signal).toBe('SIGKILL');

    const model = join(bench.folder, 'm.onnx');
    writeFileSync(model, identityModel('int64'));
    expectRefused(await bench.run({}), { exit: 6, code: 'MODEL_CHANGED', names: [model, '--fresh'] });
    writeFileSync(model, slowModel(200_000));
    const added = join(bench.folder, 'in/b.parquet');
    await writeRows(added, ROWS);
    expectRefused(await bench.run({}), { exit: 6, code: 'SOURCE_CHANGED', names: [added, '--fresh'] });
    rmSync(added);
    const changed = join(bench.folder, 'in/a.parquet');
    await writeRows(changed, 5);
    expectRefused(await bench.run({}), { exit: 6, code: 'SOURCE_CHANGED', names: [changed, '--fresh'] });
    expectNothingAt(bench.out);

    writeFileSync(model, identityModel('int64'));
    const fresh = await bench.run({ fresh: true });
    expect(fresh.events[0]).toMatchObject({ event: 'submitted' });
    expectCompleted(fresh);
    expect(await published(bench.out)).toEqual({ rows: String(ROWS), ids: String(ROWS), right: true });
  });

  test.concurrent('an input file that vanishes: SOURCE_CHANGED, naming it', async () => {
    const bench = await slowBench('vanished');
    const killed = bench.start({});
    await eventOf(killed, scoring);
    killed.child.kill('SIGKILL');
    await killed.ended;
    rmSync(join(bench.folder, 'in/a.parquet'));
    expectRefused(await bench.run({}), {
      exit: 6,
      code: 'SOURCE_CHANGED',
      names: ['in/a.parquet', '--fresh'],
    });
  });

  test.concurrent('cancelled from another process: the first ends with 3, and there is no output', async () => {
    const bench = await slowBench('cancel');
    const running = bench.start({});
    const { job } = await eventOf(running, scoring);
    const id = job?.job_id ?? '';
    const unknown = await bench.cli(['cancel', '--json', '--state', 'state', 'job-0']);
    expectRefused(unknown, { exit: 2, code: 'JOB_NOT_FOUND', names: ['job-0'] });
    const cancelled = await bench.cli(['cancel', '--json', '--state', 'state', id]);
    expect({ code: cancelled.code, stderr: cancelled.stderr }).toEqual({ code: 0, stderr: '' });
    const ended = await running.ended;
    expect(ended.code).toBe(3);
    expect(ended.events.at(-1)).toMatchObject({
      event: 'cancelled',
      job: { job_id: id, status: 'cancelled' },
    });
    expectNothingAt(bench.out);
    expect((await bench.cli(['show', '--json', '--state', 'state', id])).events[0]).toMatchObject({
      job: { status: 'cancelled' },
    });
  });

  test.concurrent('a time limit that is too short: JOB_TIMEOUT, and the old output stays', async () => {
    const bench = await slowBench('timeout');
    writeFileSync(join(bench.folder, 'fast.onnx'), identityModel('int64'));
    expectCompleted(await bench.run({ model: 'fast.onnx' }));
    const before = readdirSync(bench.out);
    const late = await bench.run({ mode: 'overwrite', 'timeout-minutes': '0.03' });
    expectRefused(late, { exit: 1, code: 'JOB_TIMEOUT', names: ['0.03', 'config.timeout_minutes'] });
    expect(readdirSync(bench.out)).toEqual(before);
    expect(besideOf(bench.out).filter((name) => !name.endsWith('.lock'))).toEqual([]);
  });

  test.concurrent('a second job for the destination of an unfinished one is refused; cancelling a finished one says so', async () => {
    const bench = await slowBench('busy');
    writeFileSync(join(bench.folder, 'fast.onnx'), identityModel('int64'));
    const killed = bench.start({});
    const { job } = await eventOf(killed, scoring);
    killed.child.kill('SIGKILL');
    await killed.ended;
    const busy = await bench.run({ model: 'fast.onnx' });
    expectRefused(busy, {
      exit: 2,
      code: 'DESTINATION_BUSY',
      names: [job?.job_id ?? '?', bench.out, 'batchwright cancel'],
    });
    expect((await bench.cli(['cancel', '--state', 'state', job?.job_id ?? ''])).code).toBe(0);
    const done = expectCompleted(await bench.run({ model: 'fast.onnx' }));
    const finished = await bench.cli(['cancel', '--json', '--state', 'state', done.job_id]);
    expectRefused(finished, { exit: 1, code: 'JOB_FINISHED', names: [done.job_id, 'completed'] });
  });
});

test.concurrent('a job that is being published can no longer be cancelled, and says so', async () => {
  const bench = shop.bench('publishing');
  const state = openStateFolder(join(bench.folder, 'state'));
  const ledger = await openLedger({ folder: state.path, random: systemRandom });
  await runningJob(ledger, [10]);
  const lease = await claimed(ledger, START);
  expect(await ledger.complete(lease, completionOf(lease.range), START)).toBe('accepted');
  expect(await ledger.audited(present(await claimTask(ledger, START)), {}, START)).toBe('accepted');
  expect(present(await claimTask(ledger, START)).kind).toBe('publish');
  await ledger[Symbol.asyncDispose]();
  const refused = await bench.cli(['cancel', '--json', '--state', 'state', lease.jobId]);
  expectRefused(refused, { exit: 1, code: 'JOB_PUBLISHING', names: [lease.jobId] });
});

describe('a job file', () => {
  const text = [
    'model_id: m.onnx',
    'input:',
    '  source: parquet',
    '  path: in',
    '  fetures: [x]',
    'output:',
    '  destination: parquet',
    '  path: out',
    '',
  ];

  test.concurrent('an unknown key names file, line and field, and what was meant', async () => {
    const bench = shop.bench('unknown-key');
    writeFileSync(join(bench.folder, 'job.yaml'), text.join('\n'));
    const flags = {
      model: null,
      input: null,
      key: null,
      features: null,
      output: null,
      'batch-size': null,
      parallelism: null,
    };
    const error = expectRefused(await bench.run(flags, { file: 'job.yaml' }), {
      exit: 2,
      code: 'SPEC_UNKNOWN_KEY',
      names: ['input.fetures', 'features'],
    });
    expect(error.place).toMatchObject({ file: 'job.yaml', line: 5, field: 'input.fetures' });
    expect(readdirSync(bench.folder)).toEqual(['job.yaml']);
  });

  test.concurrent('a file that is not there, no file, and no command: the command line is to blame', async () => {
    const bench = shop.bench('usage');
    const absent = await bench.cli(['run', '--json', 'absent.yaml']);
    expectRefused(absent, { exit: 2, code: 'USAGE', names: ['absent.yaml', 'does not exist'] });
    expect((await bench.cli(['run', '--no-such-flag'])).code).toBe(2);
    expect((await bench.cli(['jobs', '--json', '--limit', '0'])).code).toBe(2);
    const bytes = await bench.cli(['run', '--json', '.']);
    expectRefused(bytes, { exit: 2, code: 'USAGE', names: ['is a folder'] });
  });
});
