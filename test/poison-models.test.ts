import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { crashingModel, droppingModel, hangingModel, refusingModel } from './onnx-builder.ts';
import { runCli } from './support/cli.ts';
import { sql } from './support/parquet.ts';

/** Rows x = 0 ... ROWS - 1 under key `name`; one of them is what the model cannot bear. */
const ROWS = 3_000;
const POISON = 1_777;
const home = mkdtempSync(join(tmpdir(), 'batchwright-poison-'));

beforeAll(() =>
  sql(
    `COPY (SELECT i AS x, 'row-' || i AS name FROM range(${ROWS}) t(i)) TO '${home}/in.parquet' (FORMAT parquet)`,
  ),
);
afterAll(() => rmSync(home, { recursive: true, force: true }));

const CASES = [
  {
    hazard: 'refuses the whole batch because of one row',
    model: refusingModel(POISON),
    code: 'MODEL_REFUSED',
  },
  { hazard: 'kills its process on one row', model: crashingModel(POISON), code: 'MODEL_CRASHED' },
  { hazard: 'hangs on one row', model: hangingModel(POISON), code: 'RECORD_TIMEOUT' },
  { hazard: 'answers too few rows', model: droppingModel(POISON), code: 'PREDICTION_COUNT' },
];

function command(name: string, budget: number): string[] {
  return [
    'run',
    '--json',
    '--model',
    `${name}.onnx`,
    '--input',
    'in.parquet',
    '--output',
    `out-${name}`,
    '--key',
    'name',
    '--features',
    'x',
    '--mode',
    'overwrite',
    '--error-budget',
    String(budget),
    '--batch-timeout-seconds',
    '1',
    '--batch-size',
    '500',
    '--parallelism',
    '1',
    '--state',
    `state-${name}`,
  ];
}

test.each(CASES)(
  'a model that $hazard costs that row only, and nothing at all without a budget',
  async ({ model, code, hazard }) => {
    const name = hazard.split(' ')[0] as string;
    writeFileSync(join(home, `${name}.onnx`), model);
    const done = await runCli(command(name, 3), home);
    expect(done.stderr).toBe('');
    expect(done.code).toBe(0);
    const out = join(home, `out-${name}`);
    const [rejects] = await sql(
      `SELECT count(*) AS n, min(name) AS name, min(code) AS code, min(x) AS x FROM read_parquet('${out}/_rejects/*.parquet')`,
    );
    expect(rejects).toEqual({ n: '1', name: `row-${POISON}`, code, x: String(POISON) });
    const [scored] = await sql(
      `SELECT count(*) AS n, count(DISTINCT name) AS names, bool_and(y = split_part(name, '-', 2)::FLOAT) AS right, bool_or(name = 'row-${POISON}') AS poison
     FROM read_parquet('${out}/part-*.parquet')`,
    );
    expect(scored).toEqual({ n: String(ROWS - 1), names: String(ROWS - 1), right: true, poison: false });

    // Without a budget the job fails, and what was published before stays as it is.
    const before = readFileSync(join(out, '_manifest.json'));
    const failed = await runCli(command(name, 0), home);
    expect(failed.code).toBe(1);
    const last = failed.events.at(-1) as { event: string; job: { error: { code: string; message: string } } };
    expect(last.event).toBe('failed');
    expect(last.job.error.code).toBe('ERROR_BUDGET_EXCEEDED');
    expect(last.job.error.message).toContain(`row-${POISON}`);
    expect(readFileSync(join(out, '_manifest.json'))).toEqual(before);
    expect(existsSync(join(out, '_rejects'))).toBe(true);
  },
  120_000,
);
