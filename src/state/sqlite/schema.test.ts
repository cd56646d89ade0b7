import SqliteDatabase, { type Database } from 'better-sqlite3';
import { beforeEach, describe, expect, test } from 'vitest';
import { migrate } from './migrations.ts';

let database: Database;
beforeEach(() => {
  database = new SqliteDatabase(':memory:');
  database.pragma('foreign_keys = ON');
  migrate(database);
});

test('the committed schema is where the migrations lead', async () => {
  const objects = database.prepare<[], { sql: string }>(
    "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY type = 'table' DESC, tbl_name, type, name",
  );
  const dump = objects
    .all()
    .map(({ sql }) => `${sql};\n`)
    .join('\n');
  await expect(dump).toMatchFileSnapshot('../schema.sql');
});

test('migrating what is migrated changes nothing', () => {
  const before = database.pragma('schema_version', { simple: true });
  migrate(database);
  expect(database.pragma('schema_version', { simple: true })).toBe(before);
});

const JOB = `INSERT INTO job (tenant, job_id, name, state, identity, destination, spec, model_sha256, retry_count, error_budget,
                              keep_staging_ms, state_times, created_ms, total_rows, planned_fence, shards_total)
             VALUES ('t', 'j', 'n', 'running', 'i', 'd', '{}', 'm', 3, '{}', 0, '{}', 0, 10, 1, 1);`;
const VERSION = `INSERT INTO model_version (tenant, name, version, fingerprint, folder, size_bytes, record, created_ms)
                 VALUES ('t', 'm', 1, 'p', 'f', 1, '{}', 0);`;
const SHARD = `INSERT INTO shard (tenant, job_id, shard_id, row_start, row_end, state, attempt) VALUES ('t', 'j', 0, 0, 10, 'ready', 2);`;
const ACCEPT = `UPDATE shard SET state = 'accepted', rows_read = 10, rows_scored = 0, rows_rejected = 0, rows_filtered = 10;`;
const END = "UPDATE job SET state = 'failed', error = '{}', ended_ms = 1;";

describe('what the database itself refuses, should a verb go wrong', () => {
  test.each([
    [
      'two unfinished jobs for one destination',
      JOB + JOB.replace("'j'", "'j2'").replace("'i'", "'i2'"),
      'UNIQUE',
    ],
    [
      'two unfinished jobs of one identity',
      JOB + JOB.replace("'j'", "'j2'").replace("'d'", "'d2'"),
      'UNIQUE',
    ],
    ['two shards from one first row', JOB + SHARD + SHARD.replace("'j', 0, 0, 10", "'j', 1, 0, 9"), 'UNIQUE'],
    ['two shards to one last row', JOB + SHARD + SHARD.replace("'j', 0, 0, 10", "'j', 1, 1, 10"), 'UNIQUE'],
    ['an attempt that falls', `${JOB}${SHARD}UPDATE shard SET attempt = 1;`, 'an attempt never falls'],
    [
      'an accepted shard that is taken back',
      `${JOB}${SHARD}${ACCEPT}UPDATE shard SET state = 'ready';`,
      'never changes',
    ],
    ['an accepted shard that is removed', `${JOB}${SHARD}${ACCEPT}DELETE FROM shard;`, 'never removed'],
    ['an accepted shard without its rows', JOB + SHARD + ACCEPT.replaceAll('10', '9'), 'CHECK'],
    [
      'an accepted shard with scores and no part',
      JOB +
        SHARD +
        ACCEPT.replace('rows_scored = 0', 'rows_scored = 10').replace('filtered = 10', 'filtered = 0'),
      'CHECK',
    ],
    ['a lease of nobody', `${JOB}${SHARD}UPDATE shard SET state = 'leased';`, 'CHECK'],
    [
      'a condemned shard of ten rows',
      `${JOB}${SHARD}UPDATE shard SET careful = 1, condemned = '{}';`,
      'CHECK',
    ],
    ['a completing job with rows left', `${JOB}UPDATE job SET state = 'completing';`, 'CHECK'],
    ['a job that counts what it did not read', `${JOB}UPDATE job SET rows_scored = 1;`, 'CHECK'],
    ['a failed job without a reason', JOB + END.replace("error = '{}', ", ''), 'CHECK'],
    [
      'a fence that falls',
      `${JOB}UPDATE job SET task_fence = 5; UPDATE job SET task_fence = 4;`,
      'a fence never falls',
    ],
    ['a shard of no job', SHARD, 'FOREIGN KEY'],
    [
      'a version of a model that changes',
      `${VERSION}UPDATE model_version SET record = '[]';`,
      'a version of a model never changes',
    ],
    ['a version of a model that is deleted', `${VERSION}DELETE FROM model_version;`, 'stays on record'],
    [
      'a removed version that comes back',
      `${VERSION}UPDATE model_version SET removed_ms = 1; UPDATE model_version SET removed_ms = NULL;`,
      'stays removed',
    ],
    ['one version twice', VERSION + VERSION.replace('1, ', '2, '), 'UNIQUE'],
    ['an alias of no version', `${VERSION}INSERT INTO model_alias VALUES ('t', 'm', 'a', 2);`, 'FOREIGN KEY'],
    [
      'a job whose model changes',
      `${VERSION}${JOB}INSERT INTO job_model VALUES ('t', 'j', 'm', 1, NULL); UPDATE job_model SET alias = 'a';`,
      'the model of a job never changes',
    ],
  ])('%s', (_, sql, why) => {
    expect(() => database.exec(sql)).toThrow(why);
  });

  test('any change of a finished job but the mark that it was cleaned', () => {
    database.exec(JOB + END);
    const columns = database.pragma('table_info(job)') as { name: string }[];
    for (const { name } of columns.filter((column) => column.name !== 'cleaned_ms')) {
      expect(() => database.exec(`UPDATE job SET ${name} = ${name}`), name).toThrow(
        'a finished job never changes',
      );
    }
    database.exec('UPDATE job SET cleaned_ms = 2');
  });
});
