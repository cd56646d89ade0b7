import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import SqliteDatabase, { type Database } from 'better-sqlite3';
import { afterAll, describe, expect, test } from 'vitest';
import { Failure } from '../../core/errors.ts';
import { ledgerConformance } from '../ledger/ledger-conformance.ts';
import {
  claimed,
  claimTask,
  completionOf,
  PUBLISHED,
  present,
  runningJob,
  START,
  submission,
} from '../ledger/ledger-fixture-conformance.ts';
import { openLedger, openLedgerInProcess } from './open-ledger.ts';

const root = mkdtempSync(join(tmpdir(), 'ledger-'));
afterAll(() => rmSync(root, { recursive: true }));
const newFolder = () => mkdtempSync(join(root, 'state-'));

let seed = 0;
const random = {
  bytes: (n: number) => new Uint8Array(n),
  float: () => {
    seed = (seed + 0.3819) % 1;
    return seed;
  },
};

describe('the ledger on SQLite, in process', () => {
  ledgerConformance(async () => openLedgerInProcess({ file: ':memory:', random }), 100);
});

describe('the ledger on SQLite, in its thread, on a disk', () => {
  test('a refusal crosses the thread as the Failure it is, and the ledger lives on', async () => {
    await using ledger = await openLedger({ folder: newFolder(), random });
    await ledger.submit(submission());
    const refused = await ledger
      .submit(submission({ jobId: 'job-2', modelSha256: 'm2' }))
      .catch((error) => error);
    expect(refused).toBeInstanceOf(Failure);
    expect(refused).toMatchObject({ code: 'MODEL_CHANGED', next: expect.stringContaining('--fresh') });
    expect(await ledger.openJobs()).toHaveLength(1);
  });

  test('verbs sent at once happen one after the other: ten workers never get one shard', async () => {
    await using ledger = await openLedger({ folder: newFolder(), random });
    await runningJob(ledger, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    const leases = await Promise.all(
      Array.from({ length: 10 }, (_, index) => claimed(ledger, START, `w${index}`)),
    );
    expect(new Set(leases.map((lease) => lease.shardId)).size).toBe(10);
  });

  test('what was answered is there after closing and opening again', async () => {
    const folder = newFolder();
    const first = await openLedger({ folder, random });
    await runningJob(first, [10, 20]);
    const lease = await claimed(first, START);
    const finished = first.complete(lease, completionOf(lease.range), START);
    await first[Symbol.asyncDispose]();
    expect(await finished).toBe('accepted');
    await expect(first.job('default', 'job-1')).rejects.toThrow('closed');
    await using again = await openLedger({ folder, random });
    expect(await again.job('default', 'job-1')).toMatchObject({
      state: 'running',
      shards: { total: 2, accepted: 1 },
    });
  });

  test('a bug in the thread rejects every verb, those under way and those to come', async () => {
    const folder = newFolder();
    const ledger = await openLedger({ folder, random });
    tamper(folder, (database) => database.exec('DROP TABLE event'));
    const failing = ledger.submit(submission());
    const behind = ledger.openJobs();
    await expect(failing).rejects.toThrow('no such table: event');
    await expect(behind).rejects.toThrow('no such table: event');
    await expect(ledger.openJobs()).rejects.toThrow('no such table: event');
    await ledger[Symbol.asyncDispose]();
  });

  test('a state of a newer version is not touched', async () => {
    const folder = newFolder();
    await (await openLedger({ folder, random }))[Symbol.asyncDispose]();
    tamper(folder, (database) => database.pragma('user_version = 99'));
    await expect(openLedger({ folder, random })).rejects.toMatchObject({ code: 'STATE_TOO_NEW' });
  });

  test('a folder that is not there, and a file that is no database, are named', async () => {
    await expect(openLedger({ folder: join(root, 'absent'), random })).rejects.toMatchObject({
      code: 'STORAGE_FAILED',
    });
    const folder = newFolder();
    writeFileSync(join(folder, 'ledger.sqlite'), 'this is not a database, whatever its name says'.repeat(99));
    await expect(openLedger({ folder, random })).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
  });

  test('a full disk refuses the verb, keeps what was there and lets the ledger live', async () => {
    const folder = newFolder();
    const ledger = openLedgerInProcess({ file: join(folder, 'ledger.sqlite'), random });
    await ledger.submit(submission());
    const pages = tamper(folder, (database) => database.pragma('page_count', { simple: true }) as number);
    await ledger[Symbol.asyncDispose]();
    await using full = openLedgerInProcess({
      file: join(folder, 'ledger.sqlite'),
      random,
      maxPages: pages + 2,
    });
    const big = submission({ jobId: 'job-2', identity: '2', destination: '2', spec: 'x'.repeat(1e5) });
    await expect(full.submit(big)).rejects.toMatchObject({ code: 'DISK_FULL' });
    expect(await full.cancel('default', 'job-1', START)).toBe('cancelled');
  });

  test('another program that keeps the database locked is a failure to try again, not the end', async () => {
    const folder = newFolder();
    await using ledger = openLedgerInProcess({
      file: join(folder, 'ledger.sqlite'),
      random,
      busyTimeoutMs: 1,
    });
    const other = new SqliteDatabase(join(folder, 'ledger.sqlite'));
    other.exec('BEGIN IMMEDIATE');
    await expect(ledger.submit(submission())).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
    other.close();
    expect((await ledger.submit(submission())).kind).toBe('created');
  });
});

describe('publish is refused when the books are wrong, whoever made them wrong', () => {
  const UNLOCK =
    'DROP TRIGGER ended_shard_is_immutable; DROP TRIGGER ended_shard_stays; PRAGMA ignore_check_constraints = ON;';
  test.each([
    ['a shard is missing', 'DELETE FROM shard WHERE shard_id = 1'],
    ['the last shard is missing', 'DELETE FROM shard WHERE shard_id = 2'],
    ['shards overlap', 'UPDATE shard SET row_start = 9 WHERE shard_id = 1'],
    ['there is a gap', 'UPDATE shard SET row_start = 11 WHERE shard_id = 1'],
    ['a shard is not accepted', "UPDATE shard SET state = 'ready' WHERE shard_id = 1"],
    [
      'the shards count other than the job',
      'UPDATE shard SET rows_scored = rows_scored - 1, rows_rejected = rows_rejected + 1 WHERE shard_id = 1',
    ],
    [
      'a count does not balance',
      'UPDATE shard SET rows_scored = rows_scored - 1 WHERE shard_id = 1; UPDATE job SET rows_scored = rows_scored - 1',
    ],
  ])('%s', async (_, sql) => {
    for (const task of ['audit', 'publish'] as const) {
      const folder = newFolder();
      await using ledger = openLedgerInProcess({ file: join(folder, 'ledger.sqlite'), random });
      await runningJob(ledger, [10, 20, 30]);
      for (let shard = 0; shard < 3; shard += 1) {
        const lease = await claimed(ledger, START);
        await ledger.complete(lease, completionOf(lease.range), START);
      }
      let lease = present(await claimTask(ledger, START));
      if (task === 'publish') {
        await ledger.audited(lease, {}, START);
        lease = present(await claimTask(ledger, START));
      }
      tamper(folder, (database) => database.exec(UNLOCK + sql));
      const verdict =
        task === 'audit' ? ledger.audited(lease, {}, START) : ledger.published(lease, PUBLISHED, START);
      await expect(verdict).rejects.toMatchObject({ code: 'ACCOUNTING' });
      expect((await ledger.job('default', 'job-1'))?.state).toBe('completing');
    }
  });
});

function tamper<Result>(folder: string, change: (database: Database) => Result): Result {
  expect(statSync(join(folder, 'ledger.sqlite')).isFile()).toBe(true);
  const database = new SqliteDatabase(join(folder, 'ledger.sqlite'));
  try {
    return change(database);
  } finally {
    database.close();
  }
}
