import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import duckdb from '@duckdb/node-bindings';
import { createDataEngine } from '../src/data/duckdb-engine.ts';
import { sources } from '../src/sources/sources.ts';
import { createLocalStorage } from '../src/storage/local.ts';

/**
 * CSV of N rows x 20 numbers: DuckDB's own CSV-to-Parquet (types guessed from a sample, nothing checked) against our
 * materialisation (every row scanned, types from all rows, SHA-256 of the input, counts compared, result synced), with as
 * many threads, in turns; medians, and their ratio.
 *
 *     node bench/csv.ts --rows 1000000 --repeat 3 --threads 2
 */
const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '1000000' },
    repeat: { type: 'string', default: '3' },
    threads: { type: 'string', default: '2' },
    source: { type: 'string', default: 'csv' },
  },
});
const rows = Number(values.rows);
const threads = Number(values.threads);
const source = values.source === 'jsonl' ? 'jsonl' : 'csv';
const MEMORY_MB = 1_024;
/** What the materialisation may take, as a multiple of DuckDB's own. */
const LIMIT = 1.3;

const home = mkdtempSync(join(tmpdir(), 'bench-csv-'));
try {
  const input = join(home, `in.${source}`);
  const database = await duckdb.open(':memory:', config());
  const connection = await duckdb.connect(database);
  const columns = Array.from(
    { length: 20 },
    (_, at) => `(hash(i * 20 + ${at}) % 2000003)::DOUBLE / ${at % 4 === 0 ? '1' : '1000001.5'} AS f${at}`,
  ).map((sql) => sql.replace(/^(.*) AS (f\d+)$/, 'CAST($1 AS FLOAT) AS $2'));
  await duckdb.query(
    connection,
    `COPY (SELECT i AS id, ${columns.join(', ')} FROM range(${rows}) t(i)) TO '${input}' (FORMAT ${source === 'csv' ? 'csv, HEADER' : 'json'})`,
  );
  const own: Cost[] = [];
  const ours: Cost[] = [];
  for (let round = 0; round < Number(values.repeat); round += 1) {
    own.push(await timed(() => plainCopy(input, join(home, `own-${round}.parquet`))));
    ours.push(await timed(() => materialise(input, round)));
  }
  console.log(
    `${rows} rows, ${(statSync(input).size / 2 ** 20).toFixed(0)} MiB of ${source}, ${threads} threads`,
  );
  show("DuckDB's own", own);
  show('materialisation', ours);
  const ratio = median(ours.map(({ wall }) => wall)) / median(own.map(({ wall }) => wall));
  const cpuRatio = median(ours.map(({ cpu }) => cpu)) / median(own.map(({ cpu }) => cpu));
  console.log(`ratio: ${ratio.toFixed(2)} of time (limit ${LIMIT}), ${cpuRatio.toFixed(2)} of CPU`);
  duckdb.disconnect_sync(connection);
  duckdb.close_sync(database);
  process.exitCode = ratio <= LIMIT ? 0 : 1;
} finally {
  rmSync(home, { recursive: true, force: true });
}

function config() {
  const made = duckdb.create_config();
  duckdb.set_config(made, 'threads', String(threads));
  duckdb.set_config(made, 'memory_limit', `${MEMORY_MB}MiB`);
  return made;
}

async function plainCopy(path: string, target: string): Promise<void> {
  const database = await duckdb.open(':memory:', config());
  const connection = await duckdb.connect(database);
  await duckdb.query(connection, `COPY (FROM '${path}') TO '${target}' (FORMAT parquet)`);
  duckdb.disconnect_sync(connection);
  duckdb.close_sync(database);
}

async function materialise(path: string, round: number): Promise<void> {
  const storage = createLocalStorage({ root: '/' });
  const work = join(home, `work-${round}`);
  mkdirSync(work);
  await using engine = await createDataEngine({
    threads,
    memoryLimitMb: MEMORY_MB,
    tempDir: home,
    allowed: [home],
  });
  const snapshot = await sources[source].pin(
    { source, path: [path] },
    {
      storage,
      engine,
      workspace: storage.keyOf(work),
      parallelFiles: threads,
      signal: new AbortController().signal,
    },
  );
  if (snapshot.rows !== rows) throw new Error(`${snapshot.rows} rows instead of ${rows}`);
}

/** Seconds; on a machine with other work, CPU tells more. */
interface Cost {
  readonly wall: number;
  readonly cpu: number;
}

async function timed(work: () => Promise<void>): Promise<Cost> {
  const begun = performance.now();
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return { wall: (performance.now() - begun) / 1_000, cpu: (user + system) / 1e6 };
}

function show(what: string, costs: readonly Cost[]): void {
  const seconds = (pick: (cost: Cost) => number) =>
    `${median(costs.map(pick)).toFixed(2)} s (${costs.map((cost) => pick(cost).toFixed(2)).join(', ')})`;
  console.log(`${what}: ${seconds(({ wall }) => wall)}, CPU ${seconds(({ cpu }) => cpu)}`);
}

function median(times: readonly number[]): number {
  return times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)] ?? Number.NaN;
}
