/**
 * `kill -9` of everything, at random moments: `npm run kills -- --hits 15`.
 *
 * For a new dataset, an overwrite, an append and two retries, jobs are run and processes of them killed (a worker, the task,
 * the manager, or all) until each of the states `preparing`, `running` and `completing` has been hit `--hits` times. Each job
 * is then continued by the same command until it completes. `--modes new,retry` runs only these:
 *
 * - `retry`: two fifths of the rows were rejected, are repaired in two files, and take the place of the rejects;
 * - `retry-missing`: the job before failed over its error budget, about half-way; what it never came to is scored.
 *
 * Checked every time, by a reader of its own:
 *
 * - the published multiset of (key, score) equals that of an undisturbed run, together with what was there before;
 * - a reader that polls the destination all the time sees the old result, nothing for an instant, or the new one;
 * - every row without a score is among the rejects, once, and no other is;
 * - `verify` finds the result as its manifest says;
 * - rows scored more than once are at most those that were leased when something was killed.
 *
 * Ends with a histogram and exit code 0, or with the first violation and the seed that led to it.
 */
import { randomInt } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { treesModel } from '../test/onnx-builder.ts';
import { startCli } from '../test/support/cli.ts';
import { featureNames, sql, writeTable } from '../test/support/parquet.ts';
import { killAt, pause, STATES, type State, scoredTwice, VICTIMS } from './kill-at.ts';

const { values: options } = parseArgs({
  options: {
    hits: { type: 'string', default: '15' },
    modes: { type: 'string' },
    rows: { type: 'string', default: '400000' },
    seed: { type: 'string', default: String(randomInt(2 ** 31)) },
  },
});
/** Keys are 7 i + 3: every remainder comes once in five rows. */
const IS_DIRTY = '(id % 5 < 2)';
const HITS = Number(options.hits);
const ROWS = Number(options.rows);
const MODES = ['new', 'overwrite', 'append', 'retry', 'retry-missing'] as const;
type Mode = (typeof MODES)[number];
const WANTED = options.modes === undefined ? MODES : options.modes.split(',').map(modeOf);

const random = seeded(Number(options.seed));
const home = mkdtempSync(join(tmpdir(), 'batchwright-kills-'));
const histogram = new Map<string, number>();
let jobs = 0;
let polls = 0;
let rescored = 0;
let leasedAtKills = 0;

try {
  console.log(`seed ${options.seed}, ${ROWS} rows, ${HITS} hits wanted in each state of each mode`);
  const inputs = await makeInputs();
  // Slow enough that kills fall into the scoring of a shard.
  writeFileSync(join(home, 'model.onnx'), treesModel());
  const undisturbed = await undisturbedRun(inputs.clean);
  for (const mode of WANTED) {
    for (const state of STATES) {
      while (hits(mode, state) < HITS) await oneJob(mode, state, inputs, undisturbed);
    }
  }
  report();
} finally {
  rmSync(home, { recursive: true, force: true });
}

interface Inputs {
  /** Folders of Parquet files. */
  readonly clean: string;
  readonly dirty: string;
  /** What is wrong in the dirty ones, put right. */
  readonly repaired: readonly string[];
}

async function makeInputs(): Promise<Inputs> {
  const [clean, dirty] = [join(home, 'clean'), join(home, 'dirty')];
  for (const folder of [clean, dirty]) mkdirSync(folder);
  for (let file = 0; file < 4; file += 1) {
    const path = join(clean, `${file}.parquet`);
    await writeTable(path, { rows: ROWS / 4, features: 20, rowGroup: 20_000, from: (file * ROWS) / 4 });
    await sql(
      `COPY (SELECT * REPLACE (CASE WHEN ${IS_DIRTY} THEN NULL ELSE f0 END AS f0) FROM '${path}')
         TO '${join(dirty, `${file}.parquet`)}' (FORMAT parquet, ROW_GROUP_SIZE 20000)`,
    );
  }
  const repaired = [join(home, 'repaired.parquet'), join(home, 'repaired.csv')];
  for (const [remainder, path] of repaired.entries()) {
    await sql(`COPY (SELECT * FROM '${clean}/*.parquet' WHERE id % 5 = ${remainder}) TO '${path}'`);
  }
  return { clean, dirty, repaired };
}

/** Returns the Parquet glob of the result that every disturbed run must equal. */
async function undisturbedRun(input: string): Promise<string> {
  const folder = join(home, 'undisturbed');
  mkdirSync(folder);
  const { code, stderr } = await startCli(run(folder, input), folder).ended;
  if (code !== 0) throw new Error(`the undisturbed run failed:\n${stderr}`);
  return join(folder, 'out', 'part-*.parquet');
}

interface Attack {
  /** The command that is killed, and given again. */
  readonly args: readonly string[];
  /** Rows that a reader may see on the way. */
  readonly before: number;
  /** What is published in the end, as SQL of (id, score); all other rows of the input are rejects. */
  readonly expected: string;
  readonly rows: number;
}

async function prepare(mode: Mode, folder: string, inputs: Inputs, undisturbed: string): Promise<Attack> {
  const all = `SELECT id, score FROM read_parquet('${undisturbed}')`;
  const first = async (args: readonly string[], wanted: number): Promise<string> => {
    const { code, stderr, stdout, events } = await startCli(args, folder).ended;
    if (code !== wanted) fail(`the job before ended with ${code}:\n${stderr}${stdout}`);
    return (events.at(-1) as { job: { job_id: string } }).job.job_id;
  };
  switch (mode) {
    case 'new':
      return { args: run(folder, inputs.clean), before: 0, expected: all, rows: ROWS };
    // What is there before: a result of the same job, so that old and new differ only in number or name.
    case 'overwrite':
    case 'append': {
      const args = run(folder, inputs.clean, ['--mode', mode]);
      await first(args, 0);
      const appended = mode === 'append';
      return {
        args,
        before: ROWS,
        expected: appended ? `${all} UNION ALL ${all}` : all,
        rows: appended ? ROWS * 2 : ROWS,
      };
    }
    case 'retry': {
      const parent = await first(run(folder, inputs.dirty, ['--error-budget', '100%']), 0);
      const repaired = inputs.repaired.flatMap((file) => ['--repaired', file]);
      return { args: retry(folder, parent, repaired), before: (ROWS / 5) * 3, expected: all, rows: ROWS };
    }
    case 'retry-missing': {
      const parent = await first(run(folder, inputs.dirty, ['--error-budget', String(ROWS / 5)]), 1);
      const expected = `${all} WHERE NOT ${IS_DIRTY}`;
      return {
        args: retry(folder, parent, ['--error-budget', '100%']),
        before: 0,
        expected,
        rows: (ROWS / 5) * 3,
      };
    }
  }
}

async function oneJob(mode: Mode, target: State, inputs: Inputs, undisturbed: string): Promise<void> {
  jobs += 1;
  const folder = join(home, `job-${jobs}`);
  mkdirSync(folder);
  const output = join(folder, 'out');
  const attack = await prepare(mode, folder, inputs, undisturbed);
  const watcher = watch(output, new Set([attack.before, attack.rows]));
  let leased = 0;
  let kills = 0;
  for (let round = 0; ; round += 1) {
    const running = startCli(attack.args, folder);
    // One or two kills, then the command is left to finish.
    if (kills < 1 + (jobs % 2)) {
      const hit = await killAt(running, folder, target, random);
      if (hit !== null) {
        kills += 1;
        leased += hit.leasedRows;
        const name = `${mode}/${hit.state}/${hit.victim}`;
        histogram.set(name, (histogram.get(name) ?? 0) + 1);
      }
    }
    const ended = await running.ended;
    if (ended.code === 0) break;
    if (ended.signal !== 'SIGKILL')
      fail(
        `run ${round} of job ${jobs} (${mode}) ended with ${ended.code}:\n${ended.stderr}\n${ended.stdout}`,
      );
    if (round > 20) fail('the job does not come to an end');
  }
  await watcher.stop();
  await compare(output, attack, mode);
  const verified = await startCli(['verify', output, '--json'], folder).ended;
  if (verified.code !== 0) fail(`job ${jobs} (${mode}) is not what its manifest says:\n${verified.stdout}`);
  const doubled = scoredTwice(folder);
  rescored += doubled;
  leasedAtKills += leased;
  if (doubled > leased)
    fail(`${doubled} rows were claimed again, but only ${leased} were leased when something was killed`);
  rmSync(folder, { recursive: true, force: true });
}

function run(folder: string, input: string, flags: readonly string[] = []): string[] {
  return [
    'run',
    '--json',
    '--model',
    join(home, 'model.onnx'),
    '--input',
    join(input, '*.parquet'),
    '--output',
    join(folder, 'out'),
    '--key',
    'id',
    '--features',
    featureNames(20).join(','),
    '--parallelism',
    '2',
    '--state',
    join(folder, 'state'),
    ...flags,
  ];
}

function retry(folder: string, parent: string, flags: readonly string[]): string[] {
  return ['retry', parent, '--json', '--mode', 'partial', '--state', join(folder, 'state'), ...flags];
}

/** Reads the destination as others would, again and again; a number of rows that was never published is a violation. */
function watch(output: string, allowed: ReadonlySet<number>): { stop(): Promise<void> } {
  let stopped = false;
  const loop = (async () => {
    while (!stopped) {
      const rows = await visibleRows(output);
      polls += 1;
      if (rows !== null && !allowed.has(rows))
        fail(`a reader saw ${rows} rows; allowed: ${[...allowed].join(', ')}`);
      await pause(5);
    }
  })();
  return {
    async stop() {
      stopped = true;
      await loop;
    },
  };
}

/** Null: there is nothing, or it was replaced while we were reading it. */
async function visibleRows(output: string): Promise<number | null> {
  try {
    const [row] = await sql(`SELECT count(*) AS rows FROM read_parquet('${output}/**/part-*.parquet')`);
    return Number(row?.rows);
  } catch (error) {
    if (/No files found|No such file|Cannot open file|could not be opened/i.test(String(error))) return null;
    throw error;
  }
}

async function compare(output: string, { expected, rows }: Attack, mode: Mode): Promise<void> {
  const found = `SELECT id, score FROM read_parquet('${output}/**/part-*.parquet')`;
  const [row] = await sql(
    `SELECT (SELECT count(*) FROM (${expected} EXCEPT ALL (${found}))) AS missing,
            (SELECT count(*) FROM (${found} EXCEPT ALL (${expected}))) AS extra`,
  );
  if (Number(row?.missing) !== 0 || Number(row?.extra) !== 0) {
    fail(`job ${jobs} (${mode}): ${row?.missing} rows are missing, ${row?.extra} are too many`);
  }
  if (rows >= ROWS) {
    if (existsSync(join(output, '_rejects'))) fail(`job ${jobs} (${mode}): there are rejects`);
    return;
  }
  const [rejects] = await sql(
    `SELECT count(*) AS rows, count(DISTINCT id) AS keys, bool_and(${IS_DIRTY}) AS right FROM read_parquet('${output}/_rejects/*.parquet')`,
  );
  const wanted = ROWS - rows;
  if (Number(rejects?.rows) !== wanted || Number(rejects?.keys) !== wanted || rejects?.right !== true)
    fail(`job ${jobs} (${mode}): ${JSON.stringify(rejects)} instead of ${wanted} rejects`);
}

function modeOf(name: string): Mode {
  const mode = MODES.find((each) => each === name);
  if (mode === undefined) throw new Error(`--modes takes some of ${MODES.join(',')}, not ${name}`);
  return mode;
}

function hits(mode: Mode, state: State): number {
  return VICTIMS.reduce((sum, victim) => sum + (histogram.get(`${mode}/${state}/${victim}`) ?? 0), 0);
}

function report(): void {
  console.log(
    `\n${''.padEnd(28)}${VICTIMS.map((victim) => victim.padStart(9)).join('')}${'hits'.padStart(9)}`,
  );
  for (const mode of WANTED) {
    for (const state of STATES) {
      const counts = VICTIMS.map((victim) =>
        String(histogram.get(`${mode}/${state}/${victim}`) ?? 0).padStart(9),
      );
      console.log(
        `${mode.padEnd(15)}${state.padEnd(13)}${counts.join('')}${String(hits(mode, state)).padStart(9)}`,
      );
    }
  }
  console.log(
    `\n${jobs} jobs, ${polls} looks at the destination, ${rescored} rows claimed again (${leasedAtKills} were leased at kills); no violation`,
  );
}

function fail(message: string): never {
  console.error(`\nVIOLATION (seed ${options.seed}): ${message}`);
  process.exit(1);
}

/** mulberry32, a small seeded generator. */
function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
