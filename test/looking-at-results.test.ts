import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { JobStatus } from '../src/core/wire.ts';
import { identityModel } from './onnx-builder.ts';
import { runCli, startCli } from './support/cli.ts';
import { sql } from './support/parquet.ts';
import { type Bench, errorOf, expectCompleted, workshop } from './support/workshop.ts';

const ROWS = 2_000;
const shop = workshop('looking', { model: 'm.onnx', input: 'in.parquet', key: 'Id', features: 'x' });
afterAll(() => shop.remove());

/** Columns whose names are taken in a file of rejects, and one that would like to act on a terminal. */
const TABLE = `SELECT i AS "Id", CASE WHEN i % 10 = 3 THEN NULL ELSE i END AS x, 'c' || i AS code, i * 1.1 AS message,
  i AS attempt, 'ü,"' || chr(10) || chr(27) || '[2J' || i AS "na${'\x1b'}[31mme", 123456789012345678.123456789::DECIMAL(27,9) + i AS exact FROM range(${ROWS}) t(i)`;

let bench: Bench;
let job: JobStatus;
let failed: JobStatus;

beforeAll(async () => {
  bench = shop.bench('rejects');
  writeFileSync(join(bench.folder, 'm.onnx'), identityModel('int64'));
  await sql(`COPY (${TABLE}) TO '${bench.folder}/in.parquet' (FORMAT parquet)`);
  job = expectCompleted(await bench.run({ 'error-budget': '50%', name: 'Quarterly' }));
  const over = await bench.run({ output: 'other', name: 'over budget' });
  failed = (over.events.at(-1) as { job: JobStatus }).job;
  expect(failed.error?.code).toBe('ERROR_BUDGET_EXCEEDED');
}, 120_000);

const cli = (...args: string[]) => bench.cli([...args, '--state', 'state']);

describe('the way of a rejected row to its repair', () => {
  test('show groups the rejects by cause, with keys and what to do, and no control character of theirs', async () => {
    const { code, stdout } = await cli('show', job.job_id.slice(0, 12));
    expect(code).toBe(0);
    expect(stdout).toContain('NULL_FEATURE  200 rows');
    expect(stdout).toContain('rows 3, 13, 23 ...');
    expect(stdout).toContain('Fill the value, or set input.on_null.');
    expect(stdout).toContain(`batchwright rejects ${job.job_id}`);
    expect(stdout).not.toContain('\x1b');
    const { events } = await cli('show', job.job_id, '--json');
    expect(events[0]).toMatchObject({
      rejects: { groups: [{ code: 'NULL_FEATURE', rows: 200 }], countedRows: 200 },
      specification: { name: 'Quarterly' },
    });
  });

  test('the rejects of a job that failed are shown too: they lie in staging', async () => {
    const { stdout } = await cli('show', failed.job_id);
    expect(stdout).toContain('ERROR_BUDGET_EXCEEDED');
    expect(stdout).toContain('NULL_FEATURE');
    expect(stdout).toMatch(/state\/workspace\/jobs\/default\/job-\w+\/rejects/);
    const { code, stdout: rows } = await cli('rejects', failed.job_id, '--format', 'csv');
    expect(code).toBe(0);
    expect(rows).toContain('"NULL_FEATURE"');
  });

  test.each(['csv', 'parquet'])(
    'rejects as %s are the rows of the input, by its own names, value by value',
    async (format) => {
      const file = join(bench.folder, `repair.${format}`);
      const said = await cli('rejects', job.job_id, '--to', file);
      expect({ code: said.code, stderr: said.stderr }).toEqual({ code: 0, stderr: '' });
      expect(said.stdout).toContain('200 rows written');
      const back = format === 'csv' ? `read_csv('${file}', all_varchar = true)` : `read_parquet('${file}')`;
      const input = `read_parquet('${bench.folder}/in.parquet')`;
      const columns = (await sql(`DESCRIBE FROM ${input}`)).map(({ column_name: name }) => String(name));
      const described = (await sql(`DESCRIBE FROM ${back}`)).map(({ column_name: name }) => name);
      expect(described).toEqual(['reject_code', 'reject_message', ...columns]);
      const texts = columns.map((name) => `"${name}"::VARCHAR`).join(', ');
      const different = await sql(
        `(SELECT ${texts} FROM ${back} EXCEPT SELECT ${texts} FROM ${input}) UNION ALL (SELECT ${texts} FROM ${input} WHERE x IS NULL EXCEPT SELECT ${texts} FROM ${back})`,
      );
      expect(different).toEqual([]);
    },
  );

  test('a file that is there, and may hold repairs, is never written over; nothing is left half-written', async () => {
    const file = join(bench.folder, 'repaired.jsonl');
    writeFileSync(file, 'my repairs');
    const { code, stderr } = await cli('rejects', '--to', file, job.job_id);
    expect({ code, stderr }).toMatchObject({ code: 2, stderr: expect.stringContaining('FILE_EXISTS') });
    expect(readFileSync(file, 'utf8')).toBe('my repairs');
    const bad = await cli(
      'results',
      job.job_id,
      '--where',
      'nosuch > 1',
      '--to',
      join(bench.folder, 'x.csv'),
    );
    expect(bad.stderr).toMatch(/^COLUMN_MISSING: --where names nosuch/);
    expect(readdirSync(bench.folder).filter((name) => name.includes('partial') || name === 'x.csv')).toEqual(
      [],
    );
  });

  test('--json is one object per line and nothing else; a table on the terminal is safe', async () => {
    const { stdout, stderr } = await cli('rejects', job.job_id, '--json', '--code', 'null-feature');
    const rows = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(rows).toHaveLength(200);
    expect(rows[0]).toMatchObject({ reject_code: 'NULL_FEATURE', Id: 3, code: 'c3', x: null });
    expect(stderr).toBe('');
    const table = await cli('rejects', job.job_id, '--limit', '2');
    expect(table.stdout).toContain('na\\x1b[31mme');
    expect(table.stdout).toContain('ü,"\\n\\x1b[2J3');
    expect(table.stdout.trimEnd().split('\n')).toHaveLength(3);
    const none = await cli('rejects', job.job_id, '--code', 'NUL_FEATURE');
    expect(none.stderr).toContain('Did you mean NULL_FEATURE?');
  });
});

describe('a result', () => {
  test('is shown by job and by folder, filtered, and counted out', async () => {
    const byJob = await cli('results', job.job_id, '--where', 'y < 3', '--format', 'csv');
    expect(byJob.stdout).toBe('"Id","y"\n0,0\n1,1\n2,2\n');
    const byFolder = await bench.cli(['results', 'out', '--json']);
    expect(byFolder.stdout.trimEnd().split('\n')).toHaveLength(ROWS - 200);
    const table = await bench.cli(['results', 'out']);
    expect(table.stdout.trimEnd().split('\n')).toHaveLength(21);
    expect(table.stderr).toContain('The first 20 rows');
  });

  test('of which nobody reads on is no error, and no time is spent on the rest', async () => {
    const main = join(import.meta.dirname, '../src/cli/main.ts');
    const pipe = `'${process.execPath}' '${main}' results out --format jsonl | head -1; echo "\${PIPESTATUS[0]}"`;
    const { stdout, stderr } = await startCli([], bench.folder, {}, ['bash', '-c', pipe]).ended;
    expect(stderr).toBe('');
    expect(stdout.split('\n').slice(0, 2)).toEqual([expect.stringContaining('"Id":0'), '0']);
  });

  test('that is not there is said so: of an unfinished job, one that failed, and one whose output was replaced', async () => {
    expect(errorOf(await cli('results', failed.job_id, '--json'))).toMatchObject({ code: 'JOB_UNFINISHED' });
    const folder = join(bench.folder, 'replaced');
    mkdirSync(folder);
    const first = expectCompleted(
      await bench.run({ output: 'replaced', 'error-budget': '50%', mode: 'overwrite' }),
    );
    expectCompleted(await bench.run({ output: 'replaced', 'on-null': '0', mode: 'overwrite' }));
    expect(errorOf(await cli('results', first.job_id, '--json'))).toMatchObject({ code: 'RESULT_GONE' });
    // Its rejects are still in staging.
    expect((await cli('rejects', first.job_id, '--json')).stdout.split('\n')).toHaveLength(201);
    rmSync(join(bench.folder, 'state/workspace/jobs/default', first.job_id), { recursive: true });
    expect(errorOf(await cli('rejects', first.job_id, '--json'))).toMatchObject({ code: 'RESULT_GONE' });
    expect((await cli('show', first.job_id)).stdout).toContain('no longer where it put them');
    expect((await bench.cli(['results', 'in.parquet/', '--json'])).code).toBe(4);
  });
});

describe('a job is found', () => {
  test('by state, name and time; misspelt states and ids are met with what was meant', async () => {
    const ids = async (...filter: string[]) => {
      const { events } = await cli('jobs', '--json', ...filter);
      return (events[0] as { jobs: JobStatus[] }).jobs.map(({ job_id: id }) => id);
    };
    expect(await ids('--status', 'failed,cancelled')).toEqual([failed.job_id]);
    expect(await ids('--status', 'unfinished')).toEqual([]);
    expect(await ids('--name', 'QUARTER')).toEqual([job.job_id]);
    expect(await ids('--since', '2099-01-01')).toEqual([]);
    expect(await ids('--since', '1h', '--name', 'over')).toEqual([failed.job_id]);
    expect((await cli('jobs', '--status', 'faild')).stderr).toContain('Did you mean failed?');
    const typo = `${job.job_id.slice(0, -1)}${job.job_id.endsWith('0') ? '1' : '0'}`;
    expect((await cli('show', typo)).stderr).toContain(`Did you mean ${job.job_id}?`);
    expect((await cli('show', 'Quarterly')).stderr).toContain(job.job_id);
    // Short beginnings are typing errors: a job can be cancelled by what they find.
    expect(errorOf(await cli('cancel', '--json', job.job_id.slice(0, 5)))).toMatchObject({
      code: 'JOB_NOT_FOUND',
    });
  });

  test('names of files are offered for misspelt ones: of the job file, the input and the model', async () => {
    const flags = ['--output', 'o', '--key', 'Id', '--features', 'x'];
    const input = await cli('run', '--model', 'm.onnx', '--input', 'inn.parquet', ...flags);
    expect(input.stderr).toContain(`did you mean ${bench.folder}/in.parquet?`);
    const model = await cli('run', '--model', 'n.onnx', '--input', 'in.parquet', ...flags);
    expect(model.stderr).toContain(`did you mean ${bench.folder}/m.onnx?`);
    writeFileSync(join(bench.folder, 'job.yaml'), 'x');
    expect((await runCli(['run', 'job.yml'], bench.folder)).stderr).toContain('did you mean job.yaml?');
  });
});
