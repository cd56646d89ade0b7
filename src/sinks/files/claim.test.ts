import { type ChildProcess, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { mkdtemp, readdir, readFile, realpath, rm, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { acquireClaim, readChain, sweepClaims } from './claim.ts';
import { portsOf } from './claim-contender.ts';
import { type Destination, resolveDestination } from './destination.ts';

let root: string;
let to: Destination;
beforeEach(async () => {
  root = await realpath(await mkdtemp(join(tmpdir(), 'claim-')));
  to = await resolveDestination(join(root, 'scores'));
});
afterEach(() => rm(root, { recursive: true }));

const ALIVE = portsOf(`test:${process.pid}`);
const claim = (jobId: string, fence = 1, ports = ALIVE) =>
  acquireClaim(to, { jobId, tenant: 'default', fence }, ports);
const DEAD = portsOf('test:dead:1');

test('a claim names job, host, process and fence, and release leaves nothing', async () => {
  const held = await claim('job-1', 7);
  expect(JSON.parse(await readFile(join(root, '.scores.batchwright-lock'), 'utf8'))).toMatchObject({
    jobId: 'job-1',
    tenant: 'default',
    fence: 7,
    pid: process.pid,
    process: `test:${process.pid}`,
    host: expect.any(String),
  });
  expect(await readdir(root)).toHaveLength(1);
  await held.release();
  expect(await readdir(root)).toEqual([]);
});

test('a living process keeps its claim against other jobs and lower fences, not against higher ones', async () => {
  const held = await claim('job-1', 5);
  await expect(claim('job-2', 9)).rejects.toMatchObject({
    code: 'DESTINATION_BUSY',
    next: expect.stringContaining('.scores.batchwright-lock'),
  });
  await expect(claim('job-1', 4)).rejects.toMatchObject({ code: 'PUBLISH_SUPERSEDED' });
  await held.requireHeld();
  const next = await claim('job-1', 6);
  await expect(held.requireHeld()).rejects.toMatchObject({ code: 'PUBLISH_SUPERSEDED' });
  await held.release();
  await next.requireHeld();
  expect(next.chain.map(({ fence }) => fence)).toEqual([5, 6]);
  await next.release();
  expect(await readdir(root)).toEqual([]);
});

test('a dead process is followed by any job, but never by a lower fence of its own', async () => {
  await claim('job-1', 5, DEAD);
  await expect(claim('job-1', 4)).rejects.toMatchObject({ code: 'PUBLISH_SUPERSEDED' });
  const next = await claim('job-2', 1);
  expect(next.chain.map(({ jobId }) => jobId)).toEqual(['job-1', 'job-2']);
  await next.release();
  expect(await readdir(root)).toEqual([]);
});

test('of many that find a dead holder at once, exactly one follows', async () => {
  await claim('job-dead', 1, DEAD);
  const outcomes = await Promise.allSettled(Array.from({ length: 20 }, (_, index) => claim(`job-${index}`)));
  const winners = outcomes.filter(({ status }) => status === 'fulfilled');
  expect(winners).toHaveLength(1);
  expect(await readChain(to)).toHaveLength(2);
});

test('who was late, because the chain it had looked at ended meanwhile, does not hold', async () => {
  const dead = await claim('job-dead', 1, DEAD);
  const lock = join(root, '.scores.batchwright-lock');
  let first = true;
  const late = acquireClaim(
    to,
    { jobId: 'job-late', tenant: 'default', fence: 1 },
    {
      identity: ALIVE.identity,
      isProvablyDead(identity) {
        // Between the look and the link: the dead holder's chain ends, and another job begins a new one.
        const record = { ...dead.chain[0], nonce: 'new', jobId: 'job-quick', process: ALIVE.identity };
        if (first) writeFileSync(lock, JSON.stringify(record));
        first = false;
        return ALIVE.isProvablyDead(identity);
      },
    },
  );
  await expect(late).rejects.toMatchObject({
    code: 'DESTINATION_BUSY',
    message: expect.stringContaining('job-quick'),
  });
  expect(await readdir(root)).toEqual(['.scores.batchwright-lock']);
});

test('a releaser that died at its last step leaves nothing that could be taken for a claim', async () => {
  await claim('job-1', 1, DEAD);
  const next = await claim('job-2', 1);
  const left = (await readdir(root)).filter((name) => name !== '.scores.batchwright-lock');
  const pieces = await Promise.all(
    left.map(async (name) => [name, await readFile(join(root, name))] as const),
  );
  await next.release();
  for (const [name, bytes] of pieces) await writeFile(join(root, name), bytes);
  const third = await claim('job-3', 1);
  expect(third.chain.map(({ jobId }) => jobId)).toEqual(['job-3']);
  await sweepClaims(to);
  expect(await readdir(root)).toEqual(['.scores.batchwright-lock']);
  await third.requireHeld();
});

test('a file of that name that is no claim is not touched', async () => {
  await writeFile(join(root, '.scores.batchwright-lock'), 'mine');
  await expect(claim('job-1')).rejects.toMatchObject({ code: 'DESTINATION_UNWRITABLE' });
  expect(await readFile(join(root, '.scores.batchwright-lock'), 'utf8')).toBe('mine');
});

test('four processes that claim and release without end, and are killed at random: never two inside', async () => {
  const program = join(import.meta.dirname, 'claim-contender.ts');
  let rounds = 0;
  let kills = 0;
  const problems: string[] = [];
  const { promise: enough, resolve: stop } = Promise.withResolvers<void>();
  const children = new Set<ChildProcess>();
  const start = (): void => {
    const child = spawn(process.execPath, [program, root], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    children.add(child);
    let untilKill = 3 + ((kills * 7) % 11);
    createInterface(child.stdout as NodeJS.ReadableStream).on('line', (line) => {
      if (line !== 'round') problems.push(line);
      if (problems.length > 0 || (++rounds >= 300 && kills >= 20)) stop();
      else if (--untilKill === 0) {
        kills++;
        child.kill('SIGKILL');
      }
    });
    child.once('exit', () => {
      children.delete(child);
      if (problems.length === 0 && (rounds < 300 || kills < 20)) start();
    });
  };
  for (let index = 0; index < 4; index++) start();
  await enough;
  await Promise.all(
    [...children].map(
      (child) =>
        new Promise((resolve) => {
          child.once('exit', resolve);
          child.kill('SIGKILL');
        }),
    ),
  );
  expect(problems).toEqual([]);
  await unlink(join(root, 'inside')).catch(() => {});
  const last = await claim('job-last');
  await last.release();
  await sweepClaims(to);
  expect((await readdir(root)).filter((name) => !name.includes('.claim.'))).toEqual([]);
});
