/**
 * `kill -9` of everything, at random moments: `npm run kills -- --hits 15`.
 *
 * For a new dataset, an overwrite and an append, jobs are run and processes of them killed (a worker, the task, the
 * manager, or all) until each of the states `preparing`, `running` and `completing` has been hit `--hits` times. Each job is
 * then continued by the same command until it completes. Checked every time, by a reader of its own:
 *
 * - the published multiset of (key, score) equals that of an undisturbed run, together with what was there before;
 * - a reader that polls the destination all the time sees the old result, nothing for an instant, or the new one;
 * - rows scored more than once are at most those that were leased when something was killed;
 * - no process of the job is left.
 *
 * Ends with a histogram and exit code 0, or with the first violation and the seed that led to it.
 */
import { randomInt } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import Database from 'better-sqlite3';
import { mlpModel } from '../test/onnx-builder.ts';
import { type RunningCli, startCli } from '../test/support/cli.ts';
import { featureNames, sql, writeTable } from '../test/support/parquet.ts';

const { values: options } = parseArgs({
  options: {
    hits: { type: 'string', default: '15' },
    rows: { type: 'string', default: '400000' },
    seed: { type: 'string', default: String(randomInt(2 ** 31)) },
  },
});
const HITS = Number(options.hits);
const ROWS = Number(options.rows);
const MODES = ['new', 'overwrite', 'append'] as const;
const STATES = ['preparing', 'running', 'completing'] as const;
const VICTIMS = ['worker', 'task', 'manager', 'all'] as const;
type Mode = (typeof MODES)[number];
type State = (typeof STATES)[number];
type Victim = (typeof VICTIMS)[number];

/** About how long a state lasts here: kills fall anywhere into it. */
const PATIENCE_MS: Record<State, number> = { preparing: 250, running: 500, completing: 120 };

const random = seeded(Number(options.seed));
const home = mkdtempSync(join(tmpdir(), 'batchwright-kills-'));
const histogram = new Map<string, number>();
let jobs = 0;
let polls = 0;
let rescored = 0;
let leasedAtKills = 0;

try {
  console.log(`seed ${options.seed}, ${ROWS} rows, ${HITS} hits wanted in each state of each mode`);
  const input = join(home, 'input');
  mkdirSync(input);
  for (let file = 0; file < 4; file += 1) {
    await writeTable(join(input, `${file}.parquet`), {
      rows: ROWS / 4,
      features: 20,
      rowGroup: 20_000,
      from: (file * ROWS) / 4,
    });
  }
  writeFileSync(join(home, 'model.onnx'), mlpModel());
  const undisturbed = await undisturbedRun(input);
  for (const mode of MODES) {
    for (const state of STATES) {
      while (hits(mode, state) < HITS) await oneJob(mode, state, input, undisturbed);
    }
  }
  report();
} finally {
  rmSync(home, { recursive: true, force: true });
}

/** Returns the Parquet glob of the result that every disturbed run must equal. */
async function undisturbedRun(input: string): Promise<string> {
  const folder = join(home, 'undisturbed');
  mkdirSync(folder);
  const { code, stderr } = await startCli(command(folder, input, 'new'), folder).ended;
  if (code !== 0) throw new Error(`the undisturbed run failed:\n${stderr}`);
  return join(folder, 'out', 'part-*.parquet');
}

async function oneJob(mode: Mode, target: State, input: string, undisturbed: string): Promise<void> {
  jobs += 1;
  const folder = join(home, `job-${jobs}`);
  mkdirSync(folder);
  const output = join(folder, 'out');
  // What is there before: a result of the same job, so that old and new differ only in number or name.
  const before = mode === 'new' ? 0 : ROWS;
  if (mode !== 'new') {
    const first = await startCli(command(folder, input, mode), folder).ended;
    if (first.code !== 0) fail(`the first result could not be made:\n${first.stderr}`);
  }
  const allowed = new Set(mode === 'append' ? [before, before + ROWS] : [before, ROWS]);
  const watcher = watch(output, allowed);
  const args = command(folder, input, mode);
  let leased = 0;
  let kills = 0;
  for (let round = 0; ; round += 1) {
    const run = startCli(args, folder);
    // One or two kills, then the command is left to finish.
    if (kills < 1 + (jobs % 2)) {
      const hit = await killAt(run, folder, target);
      if (hit !== null) {
        kills += 1;
        leased += hit.leasedRows;
        const name = `${mode}/${hit.state}/${hit.victim}`;
        histogram.set(name, (histogram.get(name) ?? 0) + 1);
      }
    }
    const ended = await run.ended;
    if (ended.code === 0) break;
    if (ended.signal !== 'SIGKILL')
      fail(
        `run ${round} of job ${jobs} (${mode}) ended with ${ended.code}:\n${ended.stderr}\n${ended.stdout}`,
      );
    if (round > 20) fail('the job does not come to an end');
  }
  await watcher.stop();
  await compare(output, undisturbed, mode);
  const doubled = scoredTwice(folder);
  rescored += doubled;
  leasedAtKills += leased;
  if (doubled > leased)
    fail(`${doubled} rows were claimed again, but only ${leased} were leased when something was killed`);
  rmSync(folder, { recursive: true, force: true });
}

function command(folder: string, input: string, mode: Mode): string[] {
  const flags = mode === 'new' ? [] : ['--mode', mode];
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

interface Hit {
  readonly state: State;
  readonly victim: Victim;
  readonly leasedRows: number;
}

/** Waits for the state, then a random moment, then kills. Null: the job was over before. */
async function killAt(run: RunningCli, folder: string, target: State): Promise<Hit | null> {
  const ledger = await ledgerOf(folder, run);
  if (ledger === null) return null;
  try {
    const seen = await until(
      run,
      () => STATES.indexOf(currentState(ledger) as State) >= STATES.indexOf(target),
    );
    if (!seen) return null;
    await pause(random() * PATIENCE_MS[target]);
    const victim = VICTIMS[Math.floor(random() * VICTIMS.length)] as Victim;
    const pids = pidsOf(run.child.pid as number, victim);
    const state = currentState(ledger);
    if (pids.length === 0 || !STATES.includes(state as State)) return null;
    const leasedRows = leasedNow(ledger, pids, run.child.pid as number);
    for (const pid of pids) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It ended by itself in this very moment.
      }
    }
    return { state: state as State, victim, leasedRows };
  } finally {
    ledger.close();
  }
}

async function ledgerOf(folder: string, run: RunningCli): Promise<Database.Database | null> {
  const file = join(folder, 'state', 'ledger.sqlite');
  let ledger: Database.Database | null = null;
  const opened = await until(run, () => {
    try {
      ledger = new Database(file, { readonly: true, fileMustExist: true });
      ledger.prepare('SELECT state FROM job LIMIT 1').get();
      return true;
    } catch {
      ledger?.close();
      ledger = null;
      return false;
    }
  });
  return opened ? ledger : null;
}

/** Of the newest job. */
function currentState(ledger: Database.Database): string {
  const row = ledger
    .prepare<[], { state: string }>('SELECT state FROM job ORDER BY created_ms DESC, rowid DESC LIMIT 1')
    .get();
  return row?.state ?? 'none';
}

/** Rows under a lease of those that are about to be killed; when the manager goes, all of them. */
function leasedNow(ledger: Database.Database, pids: readonly number[], manager: number): number {
  const rows = ledger
    .prepare<[], { worker: string; rows: number }>(
      "SELECT worker, row_end - row_start AS rows FROM shard WHERE state = 'leased'",
    )
    .all();
  return rows
    .filter(({ worker }) => pids.includes(manager) || pids.includes(Number(worker.split(':')[2])))
    .reduce((sum, row) => sum + row.rows, 0);
}

/** Rows that were claimed more than once, over all jobs of the folder. */
function scoredTwice(folder: string): number {
  const ledger = new Database(join(folder, 'state', 'ledger.sqlite'), { readonly: true });
  try {
    const row = ledger
      .prepare<[], { doubled: number }>(
        "SELECT coalesce(sum((attempt - 1) * (row_end - row_start)), 0) AS doubled FROM shard WHERE state = 'accepted'",
      )
      .get();
    return row?.doubled ?? 0;
  } finally {
    ledger.close();
  }
}

function pidsOf(manager: number, victim: Victim): number[] {
  const children = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
        if (Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) !== manager) return [];
        return [{ pid: Number(name), arguments: readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0') }];
      } catch {
        return [];
      }
    });
  const of = (kind: string) =>
    children.filter((child) => child.arguments.includes(kind)).map(({ pid }) => pid);
  if (victim === 'worker') return of('worker').slice(0, 1);
  if (victim === 'task') return of('task');
  if (victim === 'manager') return [manager];
  return [manager, ...of('worker'), ...of('task')];
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

async function compare(output: string, undisturbed: string, mode: Mode): Promise<void> {
  const times = mode === 'append' ? 2 : 1;
  const expected = Array.from(
    { length: times },
    () => `SELECT id, score FROM read_parquet('${undisturbed}')`,
  ).join(' UNION ALL ');
  const found = `SELECT id, score FROM read_parquet('${output}/**/part-*.parquet')`;
  const [row] = await sql(
    `SELECT (SELECT count(*) FROM (${expected} EXCEPT ALL (${found}))) AS missing,
            (SELECT count(*) FROM (${found} EXCEPT ALL (${expected}))) AS extra`,
  );
  if (Number(row?.missing) !== 0 || Number(row?.extra) !== 0) {
    fail(`job ${jobs} (${mode}): ${row?.missing} rows are missing, ${row?.extra} are too many`);
  }
}

function hits(mode: Mode, state: State): number {
  return VICTIMS.reduce((sum, victim) => sum + (histogram.get(`${mode}/${state}/${victim}`) ?? 0), 0);
}

function report(): void {
  console.log(
    `\n${''.padEnd(24)}${VICTIMS.map((victim) => victim.padStart(9)).join('')}${'hits'.padStart(9)}`,
  );
  for (const mode of MODES) {
    for (const state of STATES) {
      const counts = VICTIMS.map((victim) =>
        String(histogram.get(`${mode}/${state}/${victim}`) ?? 0).padStart(9),
      );
      console.log(
        `${mode.padEnd(11)}${state.padEnd(13)}${counts.join('')}${String(hits(mode, state)).padStart(9)}`,
      );
    }
  }
  console.log(
    `\n${jobs} jobs, ${polls} looks at the destination, ${rescored} rows claimed again (${leasedAtKills} were leased at kills); no violation`,
  );
}

async function until(run: RunningCli, condition: () => boolean): Promise<boolean> {
  while (run.child.exitCode === null && run.child.signalCode === null) {
    if (condition()) return true;
    await pause(2);
  }
  return false;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
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
