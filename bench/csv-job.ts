/**
 * Whole jobs on CSV of N rows x 20 numbers, against what DuckDB alone takes for CSV-to-Parquet plus the same job on that
 * Parquet, in the same round. Wall time, CPU of all processes, and the peak of their memory (PSS), which is to stay the same
 * for any size.
 *
 *     node bench/csv-job.ts --rows 1100000,5500000 --files 1 --rounds 3
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import duckdb from '@duckdb/node-bindings';
import { mlpModel } from '../test/onnx-builder.ts';
import { startCli } from '../test/support/cli.ts';
import { FEATURES } from './stages.ts';

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '1100000,5500000' },
    files: { type: 'string', default: '1' },
    rounds: { type: 'string', default: '3' },
  },
});
const FILES = Number(values.files);
const ROUNDS = Number(values.rounds);
const CORES = availableParallelism();
/** What a job may take, as a multiple of DuckDB's own plus the Parquet job. */
const LIMIT = 1.5;

interface Cost {
  readonly wall: number;
  readonly cpu: number;
  readonly peakBytes: number;
}

const home = mkdtempSync(join(tmpdir(), 'bench-csv-job-'));
try {
  writeFileSync(join(home, 'mlp.onnx'), mlpModel());
  for (const rows of values.rows.split(',').map(Number)) await measure(rows);
} finally {
  rmSync(home, { recursive: true, force: true });
}

async function measure(rows: number): Promise<void> {
  const input = join(home, 'csv');
  mkdirSync(input);
  let bytes = 0;
  for (let file = 0; file < FILES; file += 1) {
    const path = join(input, `${String(file).padStart(5, '0')}.csv`);
    await statement(`COPY (SELECT i AS id, ${numbers()} FROM range(${Math.round((rows * file) / FILES)}, ${Math.round((rows * (file + 1)) / FILES)}) t(i))
      TO '${path}' (FORMAT csv, HEADER)`);
    bytes += statSync(path).size;
  }
  console.log(`${rows} rows in ${FILES} files of CSV, ${(bytes / 2 ** 20).toFixed(0)} MiB, ${CORES} cores`);
  const rounds: { readonly own: Cost; readonly parquet: Cost; readonly csv: Cost }[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const parquet = join(home, 'own.parquet');
    const own = await costOfOwn(input, parquet);
    rounds.push({ own, parquet: await job(parquet, rows, 'parquet'), csv: await job(input, rows, 'csv') });
    const { parquet: of, csv } = rounds.at(-1) as (typeof rounds)[number];
    console.log(`  own ${shown(own)}; Parquet job ${shown(of)}; CSV job ${shown(csv)}`);
    rmSync(parquet);
  }
  const ratio = (pick: (cost: Cost) => number) =>
    median(rounds.map(({ own, parquet, csv }) => pick(csv) / (pick(own) + pick(parquet))));
  const peak = Math.max(...rounds.map(({ csv }) => csv.peakBytes));
  const wall = ratio((cost) => cost.wall);
  console.log(
    `  ratio ${wall.toFixed(2)} of time (limit ${LIMIT}), ${ratio((cost) => cost.cpu).toFixed(2)} of CPU; peak of the CSV job ${(peak / 1e6).toFixed(0)} MB`,
  );
  if (wall > LIMIT) process.exitCode = 1;
  rmSync(input, { recursive: true });
}

function numbers(): string {
  return FEATURES.map(
    (name, at) =>
      `CAST((hash(i * 20 + ${at}) % 2000003)::DOUBLE / ${at % 4 === 0 ? 1 : 1_000_001.5} AS FLOAT) AS ${name}`,
  ).join(', ');
}

async function statement(sql: string): Promise<void> {
  const config = duckdb.create_config();
  duckdb.set_config(config, 'threads', String(CORES));
  const database = await duckdb.open(':memory:', config);
  const connection = await duckdb.connect(database);
  await duckdb.query(connection, sql);
  duckdb.disconnect_sync(connection);
  duckdb.close_sync(database);
}

async function costOfOwn(input: string, target: string): Promise<Cost> {
  const begun = performance.now();
  const before = process.cpuUsage();
  // As a user would write it for this model, whose features are float32.
  await statement(`COPY (SELECT id, ${FEATURES.map((name) => `${name}::FLOAT AS ${name}`).join(', ')} FROM read_csv('${input}/*.csv'))
    TO '${target}' (FORMAT parquet)`);
  const { user, system } = process.cpuUsage(before);
  return { wall: (performance.now() - begun) / 1_000, cpu: (user + system) / 1e6, peakBytes: Number.NaN };
}

async function job(input: string, rows: number, source: 'csv' | 'parquet'): Promise<Cost> {
  const folder = mkdtempSync(join(home, 'job-'));
  const times = join(folder, 'times');
  const flags = {
    model: join(home, 'mlp.onnx'),
    input,
    source,
    output: join(folder, 'out'),
    key: 'id',
    features: FEATURES.join(','),
    'batch-size': '8192',
    parallelism: String(CORES),
    // CSV has doubles; the model takes the nearest float32.
    ...(source === 'csv' ? { types: FEATURES.map((name) => `${name}=FLOAT`).join(',') } : {}),
  };
  const args = Object.entries(flags).flatMap(([flag, value]) => [`--${flag}`, value]);
  const begun = performance.now();
  const { code, stderr, events } = await startCli(['run', '--json', ...args], folder, {}, [
    'bash',
    '-c',
    `"$@"; code=$?; times > '${times}'; exit $code`,
    'bash',
  ]).ended;
  const wall = (performance.now() - begun) / 1_000;
  const last = events.at(-1) as { job?: { counts: { scored: number } }; peak_memory_bytes?: number };
  if (code !== 0 || last.job?.counts.scored !== rows)
    throw new Error(`the job failed: ${stderr}${JSON.stringify(last)}`);
  const cpu = childrenSeconds(readFileSync(times, 'utf8'));
  rmSync(folder, { recursive: true });
  return { wall, cpu, peakBytes: last.peak_memory_bytes ?? Number.NaN };
}

/** Of bash's `times`, whose second line is about its children: user and system time as `0m1.234s`. */
function childrenSeconds(text: string): number {
  const line = text.trim().split('\n')[1] ?? '';
  return [...line.matchAll(/(\d+)m([\d.]+)s/g)].reduce(
    (sum, [, minutes, seconds]) => sum + Number(minutes) * 60 + Number(seconds),
    0,
  );
}

function shown({ wall, cpu, peakBytes }: Cost): string {
  const peak = Number.isNaN(peakBytes) ? '' : `, peak ${(peakBytes / 1e6).toFixed(0)} MB`;
  return `${wall.toFixed(1)} s (CPU ${cpu.toFixed(1)} s${peak})`;
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN;
}
