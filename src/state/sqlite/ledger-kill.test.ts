import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, test } from 'vitest';
import { START } from '../ledger/ledger-fixture-conformance.ts';
import { openLedger } from './open-ledger.ts';

const random = { bytes: (n: number) => new Uint8Array(n), float: () => 0.5 };
const CUTS = Array.from({ length: 400 }, (_, index) => index + 1);

/** Claims and completes shards without pause; says each answer only after it got it. */
const VICTIM = `
  const { openLedger } = await import(${JSON.stringify(new URL('./open-ledger.ts', import.meta.url).href)});
  const { claimed, completionOf, runningJob, START } = await import(
    ${JSON.stringify(new URL('../ledger/ledger-fixture-conformance.ts', import.meta.url).href)});
  const { writeSync } = await import('node:fs');
  const random = { bytes: (n) => new Uint8Array(n), float: () => 0.5 };
  const ledger = await openLedger({ folder: process.argv[1], random });
  await runningJob(ledger, ${JSON.stringify(CUTS)});
  for (let i = 0; i < 400; i += 1) {
    const lease = await claimed(ledger, START, 'worker-' + i);
    writeSync(1, 'claimed ' + lease.shardId + '\\n');
    if (await ledger.complete(lease, completionOf(lease.range), START) !== 'accepted') throw new Error('not accepted');
    writeSync(1, 'accepted ' + lease.shardId + '\\n');
  }`;

test.each([1, 2, 37, 150, 301])('kill -9 after %i answers: each answer is still true', async (answers) => {
  const folder = mkdtempSync(join(tmpdir(), 'ledger-kill-'));
  const victim = spawn(process.execPath, ['--input-type=module', '-e', VICTIM, folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(victim, 'exit');
  const said: string[] = [];
  for await (const line of createInterface({ input: victim.stdout })) {
    said.push(line);
    if (said.length === answers) victim.kill('SIGKILL');
  }
  expect((await exited)[1]).toBe('SIGKILL');
  expect(said.length).toBeGreaterThanOrEqual(answers);

  await using ledger = await openLedger({ folder, random });
  await ledger.recover(START, 1_000);
  const shards = await ledger.shards('default', 'job-1');
  expect(shards).toHaveLength(CUTS.length);
  for (const line of said) {
    const [what, shardId] = line.split(' ');
    const shard = shards[Number(shardId)];
    expect([line, shard?.attempt]).toEqual([line, 1]);
    if (what === 'accepted') expect([line, shard?.state]).toEqual([line, 'accepted']);
  }
  // At most one verb was under way.
  const accepted = shards.filter((shard) => shard.state === 'accepted').length;
  const answered = said.filter((line) => line.startsWith('accepted')).length;
  expect(accepted - answered).toBeLessThanOrEqual(1);
  expect((await ledger.job('default', 'job-1'))?.counts.read).toBe(accepted);
  rmSync(folder, { recursive: true });
});
